"""What is kept of a run's events: what it used, and what a person may ask for tomorrow."""

from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter

from django.utils import timezone

from agents.events import AnswerRejected, FailedOver, RunnerEvent, StepFinished, ToolFinished, ToolStarted
from agents.llm.types import MOST_TOKENS, ToolCall, Usage
from batches.models import RunEventKind

from .outcomes import EventRecord, Spent
from .storable import storable

LONGEST_EVENT_TEXT = 20_000


class Notes:
    """Adds what happens in one attempt to what it has spent, and keeps what a person may ask for.

    A batch row with one plain call is told wholly by its attempt; all else is kept for every run, in such detail that
    the conversation can be told as the model saw it.
    """

    def __init__(self, spent: Spent, *, is_single: bool) -> None:
        """Add to `spent`; of a single run every call is kept."""
        self._spent = spent
        self._is_single = is_single
        self._unkept: StepFinished | None = None

    def take(self, event: RunnerEvent) -> None:
        """Take an event of the runner in."""
        match event:
            case StepFinished():
                self._account(event)
            case AnswerRejected(step=step, problem=problem, answer=answer):
                self._keep_step()
                data = {"step": step, "problem": clipped(problem), "answer": clipped(answer)}
                self._keep(RunEventKind.REJECTED, data)
            case FailedOver(step=step, model=model, error=error, at=at):
                data = {"step": step, "model": model, "code": str(error.code), "message": clipped(error.message)}
                self._keep(RunEventKind.FAILED_OVER, data, ago=max(0.0, perf_counter() - at))
            case ToolStarted(step=step, call=call):
                self._keep(RunEventKind.TOOL_CALL, tool_data(step, call))
            case ToolFinished():
                self._keep(RunEventKind.TOOL_RESULT, tool_result_data(event))

    def _account(self, event: StepFinished) -> None:
        spent, completion = self._spent, event.completion
        spent.usage += plausible(completion.usage)
        spent.cost += event.cost
        # Of several calls all were: who was asked once was asked.
        spent.is_cached = completion.is_cached and (spent.is_cached or not spent.steps)
        spent.steps = event.step
        spent.request_id = storable(completion.request_id[:200])
        spent.model = event.model
        if spent.first_token_ms is None:
            spent.first_token_ms = event.first_token_ms
        self._unkept = event
        if self._is_single or completion.tool_calls or event.step > 1:
            self._keep_step()

    def _keep_step(self) -> None:
        """Keep the last call, which no other event tells of."""
        if self._unkept is not None:
            self._keep(RunEventKind.STEP, step_data(self._unkept))
            self._unkept = None

    def _keep(self, kind: RunEventKind, data: Mapping[str, object], *, ago: float = 0.0) -> None:
        self._spent.events.append(EventRecord(kind, dict(data), timezone.now() - timedelta(seconds=ago)))


def tool_data(step: int, call: ToolCall) -> dict[str, object]:
    """Return what is kept of a tool that is called."""
    data = {"step": step, "id": clipped(call.id), "name": clipped(call.name)}
    return data | {"arguments": clipped(call.arguments)}


def tool_result_data(event: ToolFinished) -> dict[str, object]:
    """Return what is kept of a tool's result."""
    return {
        "step": event.step,
        "id": clipped(event.call.id),
        "name": clipped(event.call.name),
        "result": clipped(event.result),
        "is_error": event.is_error,
        "latency_ms": event.latency_ms,
    }


def step_data(event: StepFinished) -> dict[str, object]:
    """Return what is kept of a model call. Its text stands on the run, unless tools were asked for with it."""
    completion = event.completion
    usage = plausible(completion.usage)
    data: dict[str, object] = {
        "step": event.step,
        "model": event.model,
        "latency_ms": event.latency_ms,
        "first_token_ms": event.first_token_ms,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": str(event.cost),
        "finish_reason": clipped(completion.finish_reason),
        "tool_calls": len(completion.tool_calls),
    }
    if completion.is_cached:
        data["is_cached"] = True
    if completion.tool_calls:
        data["text"] = clipped(completion.text)
    if completion.reasoning:
        data["reasoning"] = clipped(completion.reasoning)
    return data


def plausible(usage: Usage) -> Usage:
    """Return `usage` within bounds: a provider may report any number, a column holds 31 bits."""
    told = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    if min(told) >= 0 and max(told) <= MOST_TOKENS:
        return usage
    return Usage(*(max(0, min(tokens, MOST_TOKENS)) for tokens in told))


def clipped(text: str) -> str:
    """Return at most LONGEST_EVENT_TEXT characters of `text`, fit for storing."""
    return storable(text[:LONGEST_EVENT_TEXT])
