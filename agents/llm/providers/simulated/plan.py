"""What a simulated call will do, decided before it waits: the answer, or the error, and when it comes."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from agents.llm.parameters import answer_limit
from agents.llm.tokens import BYTES_PER_TOKEN, estimate_request_tokens, estimate_tokens
from agents.llm.types import Completion, CompletionRequest, Message, ToolCall, Usage
from workers.errors import ErrorCode, WorkError

from .prose import cut_at_word, write_prose
from .schema_answer import broken_answer, write_answer
from .script import next_calls
from .settings import Settings

_RETRY_AFTER_CODES = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED})
_DEFAULT_FIRST_TOKEN_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Draws:
    """Even draws between 0 and 1 for the parts of one call, and a seed for what needs many."""

    latency: float
    first_token: float
    output_tokens: float
    seed: int
    digest: bytes

    @classmethod
    def of(cls, request: CompletionRequest, seed: int) -> "Draws":
        """Return the draws of `request`: they depend on the seed, the model and the messages alone."""
        state = blake2b(f"{seed}\0{request.model}".encode("utf-8", "surrogatepass"), digest_size=32)
        for part in itertools.chain.from_iterable(map(_parts, request.messages)):
            state.update(b"\0")
            state.update(part.encode("utf-8", "surrogatepass"))
        digest = state.digest()
        latency, first_token, output_tokens = (even_draw(digest[at : at + 8]) for at in (0, 8, 16))
        return cls(latency, first_token, output_tokens, int.from_bytes(digest[24:]), digest)

    def error(self, call: int) -> float:
        """Return the even draw that decides on an error at call number `call` of the client."""
        return even_draw(blake2b(call.to_bytes(8, "big"), key=self.digest, digest_size=8).digest())

    def mismatch(self) -> float:
        """Return the even draw that decides whether an answer breaks its schema."""
        return even_draw(blake2b(b"mismatch", key=self.digest, digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of one call; times in seconds from its begin."""

    first_token: float
    duration: float
    completion: Completion


def even_draw(data: bytes) -> float:
    """Return 8 random bytes as a number above 0 and below 1, as distributions need it."""
    return ((int.from_bytes(data) >> 12) + 0.5) * 2.0**-52


def draw_error(settings: Settings, draws: Draws, call: int) -> WorkError | None:
    """Return the error that call number `call` meets, if it meets one."""
    if not settings.errors:
        return None
    draw = draws.error(call)
    for code, chance in settings.errors:
        if draw < chance:
            retry_after = settings.retry_after if code in _RETRY_AFTER_CODES else None
            return WorkError(code, f"simulated {code.replace('_', ' ')}", retry_after=retry_after)
        draw -= chance
    return None


def make_plan(request: CompletionRequest, settings: Settings, draws: Draws, call: int) -> Plan:
    """Return the course of call number `call`. Raises WorkError for an output schema that cannot be answered."""
    prefix = draws.digest[:6].hex()
    calls = next_calls(settings.tool_calls, request.messages, prefix)
    text, finish_reason = ("", "tool_calls") if calls else _answer(request, settings, draws)
    usage = Usage(estimate_request_tokens(request), _output_tokens(text, calls))
    latency = settings.latency.at(draws.latency)
    first_token = _DEFAULT_FIRST_TOKEN_SHARE * latency
    if settings.first_token is not None:
        first_token = settings.first_token.at(draws.first_token)
    duration = max(latency, first_token)
    if settings.tokens_per_second is not None:
        duration = first_token + usage.output_tokens / settings.tokens_per_second
    completion = Completion(text, calls, usage, finish_reason, request.model, f"sim-{prefix}-{call}")
    return Plan(first_token, duration, completion)


def _parts(message: Message) -> Sequence[str]:
    calls = [part for call in message.tool_calls for part in (call.id, call.name, call.arguments)]
    return (message.role, message.content, message.tool_call_id or "", *calls)


def _output_tokens(text: str, calls: Sequence[ToolCall]) -> int:
    return estimate_tokens(text) + sum(estimate_tokens(call.name) + estimate_tokens(call.arguments) for call in calls)


def _answer(request: CompletionRequest, settings: Settings, draws: Draws) -> tuple[str, str]:
    """Return the text of the answer and why it ends there."""
    if settings.reply == "invalid" or (request.output_schema is not None and draws.mismatch() < settings.mismatch):
        return orjson.dumps(broken_answer(request.output_schema)).decode(), "stop"
    asked = [message.content for message in request.messages if message.role == "user"]
    if settings.reply == "echo":
        return asked[-1] if asked else "", "stop"
    if request.output_schema is not None:
        # All of them: the last may only say what was wrong with the answer before.
        text = write_answer(request.output_schema, "\n".join(asked), settings.keywords, draws.seed)
        return _limited(text, request)
    prose = write_prose(draws.seed, math.ceil(settings.output_tokens.at(draws.output_tokens)))
    last = request.messages[-1] if request.messages else None
    if last is not None and last.role == "tool":
        prose = f"The result is {last.content}. {prose}"
    return _limited(prose, request)


def _limited(text: str, request: CompletionRequest) -> tuple[str, str]:
    limit = answer_limit(request.parameters)
    if limit is None or estimate_tokens(text) <= limit:
        return text, "stop"
    return cut_at_word(text, limit * BYTES_PER_TOKEN), "length"
