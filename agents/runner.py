"""The bounded loop that makes a model an agent: call, run the tools it asks for, hand back their results, again.

No database: the loop yields events, and whoever drives it stores what it wants. What a call cost is told by its
StepFinished before anything that follows from it is raised.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from time import perf_counter
from typing import Any

import orjson

from agents.abilities import AbilitySet, ToolResult, resolve
from agents.answers import AnswerStore
from agents.calling import CallEvent, Calls, Deadline, ms_since
from agents.events import (
    AnswerRejected,
    RunFinished,
    RunnerEvent,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)
from agents.llm.types import Completion, CompletionRequest, Message, ToolCall, Usage
from agents.messages import build_messages
from agents.repairs import rejected_answer, repair_message
from agents.routing import Route
from agents.schemas import parse_output
from agents.spec import AgentSpec, RunLimits
from workers.errors import ErrorCode, InvalidInput, WorkError

__all__ = ["MAX_CALLS_PER_STEP", "build_messages", "first_request", "run_agent"]

# A model that asks for more at once is told so; it may ask for the rest in its next step.
MAX_CALLS_PER_STEP = 32


async def run_agent(
    spec: AgentSpec,
    messages: Sequence[Message],
    route: Route,
    *,
    stream: bool = False,
    correlation_id: str | None = None,
    store: AnswerStore | None = None,
    first_keys: Sequence[str] = (),
) -> AsyncGenerator[RunnerEvent, None]:
    """Run an agent in memory and yield what happens, RunFinished last.

    `messages` come from `build_messages`; the calls go along `route`, whose meter admits each; with `stream` the text
    is told as it comes; `correlation_id` goes out with every call; with a `store`, answers of identical requests are
    used again (`first_keys`: see Calls). Raises WorkError: the provider's, or LIMIT_STEPS, LIMIT_TOKENS, LIMIT_SECONDS,
    LIMIT_COST where a limit of the version is reached (a call over its limit of tokens or money fails the run even if
    it answered), or SCHEMA_MISMATCH where the answer still breaks the output schema after as many repairs as are
    allowed. Whoever leaves the loop early closes the generator (`contextlib.aclosing`).
    """
    run = _Run(spec, list(messages), _abilities(spec), correlation_id, stream)
    calls = Calls(route, run.deadline, spec.operation, store, first_keys)
    step = 0
    # Asking again is bounded apart: it takes no step away from the tools.
    while step < spec.limits.max_steps + run.repairs:
        step += 1
        run.check_before_call()
        yield StepStarted(step)
        if stream:
            async with aclosing(calls.stream(step, run.request())) as events:
                async for event in events:
                    yield run.account(event)
        else:
            # One generator less for each call: most runs do not stream.
            happened, error = await calls.call(step, run.request())
            for event in happened:
                yield run.account(event)
            if error is not None:
                raise error
        completion = run.check_after_call()
        if completion.tool_calls and not spec.is_plain:
            calls.accept()
            if step < spec.limits.max_steps + run.repairs:
                async for tool_event in run.use_tools(completion, step):
                    yield tool_event
            continue
        ended, error = run.finish(completion, step)
        if isinstance(ended, RunFinished):
            calls.accept()
            yield ended
            return
        yield ended
        if error is not None:
            raise error
    raise WorkError(ErrorCode.LIMIT_STEPS, f"No answer after {spec.limits.max_steps} steps, the most that are allowed")


@dataclass(slots=True)
class _Run:
    """One run under way: its conversation, and what it has used."""

    spec: AgentSpec
    messages: list[Message]
    abilities: AbilitySet
    correlation_id: str | None
    is_streamed: bool = False
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    repairs: int = 0
    answer: Completion | None = None
    deadline: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.spec.limits.max_seconds)

    def account(self, event: CallEvent) -> CallEvent:
        """Add what a call used, and remember its answer; return `event` to be told."""
        if isinstance(event, StepFinished):
            self.usage += event.completion.usage
            self.cost += event.cost
            self.answer = event.completion
        return event

    def check_before_call(self) -> None:
        """Raise WorkError where nothing is left for another call."""
        self.answer = None
        limits = self.spec.limits
        if self.deadline.is_over:
            raise self.deadline.error()
        if limits.max_tokens is not None and self.usage.total_tokens >= limits.max_tokens:
            raise self._out_of_tokens()
        # A limit of 0 means "only what is free".
        if limits.max_cost is not None and self.cost >= limits.max_cost and self.cost:
            raise self._out_of_money()

    def check_after_call(self) -> Completion:
        """Return the call's answer. Raises WorkError where it went over a limit."""
        limits = self.spec.limits
        if limits.max_tokens is not None and self.usage.total_tokens > limits.max_tokens:
            raise self._out_of_tokens()
        if limits.max_cost is not None and self.cost > limits.max_cost:
            raise self._out_of_money()
        assert self.answer is not None
        return self.answer

    async def use_tools(self, completion: Completion, step: int) -> AsyncIterator[ToolStarted | ToolFinished]:
        """Call the tools that the model asks for, all at once; add their results to the conversation, in order."""
        calls = completion.tool_calls
        self.messages.append(Message("assistant", completion.text, calls, replay=completion.replay))
        for call in calls:
            yield ToolStarted(step, call)
        try:
            async with asyncio.timeout_at(self.deadline.at):
                results = await asyncio.gather(*(self._use(place, call) for place, call in enumerate(calls)))
        except TimeoutError:
            raise self.deadline.error() from None
        for call, (result, latency_ms) in zip(calls, results, strict=True):
            self.messages.append(Message("tool", result.text, tool_call_id=call.id))
            yield ToolFinished(step, call, result.text, result.is_error, latency_ms)

    def finish(self, completion: Completion, step: int) -> tuple[RunFinished | AnswerRejected, WorkError | None]:
        """Return the answer, read against the output schema where there is one; or that it was rejected.

        With that the error SCHEMA_MISMATCH where the model is not asked again: it was often enough, or its answer was
        cut for its length and would be so again.
        """
        if self.spec.operation != "chat":
            return RunFinished("", orjson.loads(completion.text), self.usage, self.cost, step), None
        if self.spec.is_plain:
            return self._as_it_is(completion, step), None
        parsed: Any = None
        if self.spec.output_schema is not None:
            try:
                parsed = _parsed(completion, self.spec)
            except WorkError as error:
                return self._reject(completion, step, error)
        return RunFinished(completion.text, parsed, self.usage, self.cost, step, completion), None

    def _as_it_is(self, completion: Completion, step: int) -> RunFinished:
        """Return what a plain model answered; asked for JSON without the provider's help, the JSON in it.

        What was told as it came stays as it is.
        """
        text, parsed = completion.text, None
        if self.spec.output_schema is not None and not completion.tool_calls:
            with contextlib.suppress(WorkError):
                parsed = parse_output(text, self.spec.output_schema)
                text = text if self.is_streamed or _is_json(text) else orjson.dumps(parsed).decode()
        return RunFinished(text, parsed, self.usage, self.cost, step, completion)

    def _reject(self, completion: Completion, step: int, error: WorkError) -> tuple[AnswerRejected, WorkError | None]:
        rejected = AnswerRejected(step, error.message, completion.text)
        if self.repairs >= self.spec.limits.max_repairs or completion.finish_reason == "length":
            return rejected, error
        self.repairs += 1
        self.messages += [rejected_answer(completion), repair_message(error.message)]
        return rejected, None

    async def _use(self, place: int, call: ToolCall) -> tuple[ToolResult, int]:
        started = perf_counter()
        if place >= MAX_CALLS_PER_STEP:
            refused = f"Error: not run: at most {MAX_CALLS_PER_STEP} tools run in one step"
            return ToolResult(refused, is_error=True), 0
        result = await self.abilities.call(call.name, call.arguments)
        return result, ms_since(started)

    def request(self) -> CompletionRequest:
        """Return what the model is asked next."""
        return _request(self.spec, self.messages, self.abilities, self.deadline.left, self.correlation_id)

    def _out_of_tokens(self) -> WorkError:
        used = f"{self.usage.total_tokens} tokens used of {self._limits.max_tokens}"
        return WorkError(ErrorCode.LIMIT_TOKENS, used)

    def _out_of_money(self) -> WorkError:
        spent = f"{self.cost.normalize():f} US dollars spent of {self._limits.max_cost}"
        return WorkError(ErrorCode.LIMIT_COST, spent)

    @property
    def _limits(self) -> RunLimits:
        return self.spec.limits


def first_request(spec: AgentSpec, messages: Sequence[Message]) -> CompletionRequest:
    """Return what a run with these first messages asks first, without its time. Raises WorkError as the run would."""
    return _request(spec, messages, _abilities(spec))


def _request(
    spec: AgentSpec,
    messages: Sequence[Message],
    abilities: AbilitySet,
    timeout: float = 0.0,
    correlation_id: str | None = None,
) -> CompletionRequest:
    return CompletionRequest(
        model=spec.model,
        messages=tuple(messages),
        tools=abilities.specs or spec.tools,
        parameters=spec.parameters,
        output_schema=spec.output_schema,
        timeout=timeout,
        correlation_id=correlation_id,
    )


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _abilities(spec: AgentSpec) -> AbilitySet:
    try:
        return resolve(spec.abilities)
    except InvalidInput as error:
        # Checked when the version was made; this release may lack an ability that an older one had.
        raise WorkError(ErrorCode.INVALID_REQUEST, str(error)) from None


def _parsed(completion: Completion, spec: AgentSpec) -> Any:
    assert spec.output_schema is not None
    try:
        return parse_output(completion.text, spec.output_schema)
    except WorkError as error:
        if completion.finish_reason != "length":
            raise
        raise WorkError(error.code, f"{error.message} (the answer was cut at the model's limit of tokens)") from None
