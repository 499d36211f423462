"""The bounded loop that makes a model an agent: call, run the tools it asks for, hand back their results, again.

No database: the loop yields events, and whoever drives it stores what it wants. What a call cost is told by its
StepFinished before anything that follows from it is raised.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from time import perf_counter
from typing import Any

from agents.abilities import AbilitySet, ToolResult, resolve
from agents.events import (
    RunFinished,
    RunnerEvent,
    StepFinished,
    StepStarted,
    TextProduced,
    ToolFinished,
    ToolStarted,
)
from agents.llm.client import LLMClient
from agents.llm.errors import BilledError
from agents.llm.types import Completion, CompletionRequest, Message, ToolCall, Usage
from agents.messages import build_messages
from agents.metering import Meter, Unmetered
from agents.schemas import parse_output
from agents.spec import AgentSpec, RunLimits
from workers.errors import ErrorCode, InvalidInput, WorkError

__all__ = ["MAX_CALLS_PER_STEP", "build_messages", "run_agent"]

# A model that asks for more at once is told so; it may ask for the rest in its next step.
MAX_CALLS_PER_STEP = 32
# Timers may fire this much early, in seconds.
_EARLY = 0.01


async def run_agent(
    spec: AgentSpec,
    messages: Sequence[Message],
    client: LLMClient,
    *,
    stream: bool = False,
    correlation_id: str | None = None,
    meter: Meter | None = None,
) -> AsyncGenerator[RunnerEvent, None]:
    """Run an agent in memory and yield what happens, RunFinished last.

    `messages` come from `build_messages`; with `stream` the text is told as it comes; `correlation_id` goes out with
    every call; `meter` admits each. Raises WorkError: the provider's, or LIMIT_STEPS, LIMIT_TOKENS, LIMIT_SECONDS,
    LIMIT_COST where a limit of the version is reached (a call over its limit of tokens or money fails the run even if
    it answered), or SCHEMA_MISMATCH. Whoever leaves the loop early closes the generator (`contextlib.aclosing`).
    """
    run = _Run(spec, list(messages), client, _abilities(spec), correlation_id, meter or Unmetered())
    for step in range(1, spec.limits.max_steps + 1):
        run.check_before_call()
        yield StepStarted(step)
        completion: Completion | None = None
        async with aclosing(run.call(step, stream)) as events:
            async for event in events:
                yield event
                if isinstance(event, StepFinished):
                    completion = run.account(event)
        assert completion is not None
        run.check_after_call()
        if not completion.tool_calls:
            yield run.finish(completion, step)
            return
        if step < spec.limits.max_steps:
            async for tool_event in run.use_tools(completion, step):
                yield tool_event
    raise WorkError(ErrorCode.LIMIT_STEPS, f"No answer after {spec.limits.max_steps} steps, the most that are allowed")


@dataclass(slots=True)
class _Run:
    """One run under way: its conversation, and what it has used."""

    spec: AgentSpec
    messages: list[Message]
    client: LLMClient
    abilities: AbilitySet
    correlation_id: str | None
    meter: Meter
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + self.spec.limits.max_seconds

    def account(self, event: StepFinished) -> Completion:
        """Add what a call used; return its answer."""
        self.usage += event.completion.usage
        self.cost += event.cost
        return event.completion

    def check_before_call(self) -> None:
        """Raise WorkError where nothing is left for another call."""
        limits = self.spec.limits
        if self._is_late():
            raise self._out_of_time()
        if limits.max_tokens is not None and self.usage.total_tokens >= limits.max_tokens:
            raise self._out_of_tokens()
        # A limit of 0 means "only what is free".
        if limits.max_cost is not None and self.cost >= limits.max_cost and self.cost:
            raise self._out_of_money()

    def check_after_call(self) -> None:
        """Raise WorkError where the call went over a limit."""
        limits = self.spec.limits
        if limits.max_tokens is not None and self.usage.total_tokens > limits.max_tokens:
            raise self._out_of_tokens()
        if limits.max_cost is not None and self.cost > limits.max_cost:
            raise self._out_of_money()

    async def call(self, step: int, stream: bool) -> AsyncGenerator[TextProduced | StepFinished, None]:
        """Call the model when the meter lets it; yield its text where it streams, and at the end StepFinished."""
        waited = await self.meter.admit(self._request())
        self.deadline += waited
        started = perf_counter()
        try:
            async with aclosing(self._answer(step, stream, started)) as events:
                async for event in events:
                    if isinstance(event, StepFinished):
                        self.meter.finished(event.completion, perf_counter() - started)
                    yield event
        except BaseException as error:
            self.meter.failed(error, perf_counter() - started)
            # The call was given what was left of the run's time, so its timeout is the run's limit. The meter is told
            # of the timeout: it judges the provider, not the run.
            if isinstance(error, WorkError) and error.code is ErrorCode.TIMEOUT and self._is_late():
                raise self._out_of_time() from None
            raise

    async def _answer(
        self, step: int, stream: bool, started: float
    ) -> AsyncGenerator[TextProduced | StepFinished, None]:
        first_token_ms = None
        try:
            if not stream:
                completion = await self.client.complete(self._request())
                yield self._finished(step, completion, started)
                return
            async with aclosing(self.client.stream(self._request())) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Completion):
                        yield self._finished(step, chunk, started, first_token_ms)
                        return
                    first_token_ms = _ms_since(started) if first_token_ms is None else first_token_ms
                    yield TextProduced(step, chunk.text)
        except BilledError as error:
            # A refused answer is paid for like any other.
            refused = Completion("", usage=error.usage, finish_reason=str(error.code))
            yield self._finished(step, refused, started, first_token_ms)
            raise

    async def use_tools(self, completion: Completion, step: int) -> AsyncIterator[ToolStarted | ToolFinished]:
        """Call the tools that the model asks for, all at once; add their results to the conversation, in order."""
        calls = completion.tool_calls
        self.messages.append(Message("assistant", completion.text, calls))
        for call in calls:
            yield ToolStarted(step, call)
        try:
            async with asyncio.timeout_at(self.deadline):
                results = await asyncio.gather(*(self._use(place, call) for place, call in enumerate(calls)))
        except TimeoutError:
            raise self._out_of_time() from None
        for call, (result, latency_ms) in zip(calls, results, strict=True):
            self.messages.append(Message("tool", result.text, tool_call_id=call.id))
            yield ToolFinished(step, call, result.text, result.is_error, latency_ms)

    def finish(self, completion: Completion, step: int) -> RunFinished:
        """Return the answer, read against the output schema where there is one. Raises WorkError SCHEMA_MISMATCH."""
        parsed: Any = None
        if self.spec.output_schema is not None:
            parsed = _parsed(completion, self.spec)
        return RunFinished(completion.text, parsed, self.usage, self.cost, step)

    async def _use(self, place: int, call: ToolCall) -> tuple[ToolResult, int]:
        started = perf_counter()
        if place >= MAX_CALLS_PER_STEP:
            refused = f"Error: not run: at most {MAX_CALLS_PER_STEP} tools run in one step"
            return ToolResult(refused, is_error=True), 0
        result = await self.abilities.call(call.name, call.arguments)
        return result, _ms_since(started)

    def _request(self) -> CompletionRequest:
        return CompletionRequest(
            model=self.spec.model,
            messages=tuple(self.messages),
            tools=self.abilities.specs,
            parameters=self.spec.parameters,
            output_schema=self.spec.output_schema,
            timeout=max(0.0, self.deadline - asyncio.get_running_loop().time()),
            correlation_id=self.correlation_id,
        )

    def _finished(
        self, step: int, completion: Completion, started: float, first_token_ms: int | None = None
    ) -> StepFinished:
        cost = self.spec.price.cost(completion.usage)
        return StepFinished(step, completion, cost, _ms_since(started), first_token_ms)

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self.deadline - _EARLY

    def _out_of_time(self) -> WorkError:
        return WorkError(ErrorCode.LIMIT_SECONDS, f"No answer within {self._limits.max_seconds:g} s")

    def _out_of_tokens(self) -> WorkError:
        used = f"{self.usage.total_tokens} tokens used of {self._limits.max_tokens}"
        return WorkError(ErrorCode.LIMIT_TOKENS, used)

    def _out_of_money(self) -> WorkError:
        spent = f"{self.cost.normalize():f} US dollars spent of {self._limits.max_cost}"
        return WorkError(ErrorCode.LIMIT_COST, spent)

    @property
    def _limits(self) -> RunLimits:
        return self.spec.limits


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


def _ms_since(started: float) -> int:
    return round((perf_counter() - started) * 1000)
