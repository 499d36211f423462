"""The timeline of a run: attempts, the calls and tools within them, and the waiting between."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agents.llm.types import Usage
from batches.models import Attempt, AttemptOutcome, Run, RunEvent, RunEventKind
from batches.states import TERMINAL_RUN_STATES

from .moments import Moment, MomentKind

# Shorter gaps are the way from one process to the next.
LEAST_WAITING_SECONDS = 0.05
_FINE = (AttemptOutcome.SUCCEEDED, AttemptOutcome.HANDED_BACK)


def timeline_of(
    run: Run, attempts: Sequence[Attempt], events: Mapping[int, Sequence[RunEvent]], now: datetime
) -> tuple[Moment, ...]:
    """Return the moments of `run` in order; `events` are by attempt. `now` is how long it has waited where it waits."""
    clock = _Clock(run.created_at)
    moments: list[Moment] = []
    end = 0.0
    for attempt in attempts:
        whole = _attempt(attempt, clock)
        moments += _waiting(attempt.number, end, whole.start)
        inside = _inside(attempt, events.get(attempt.number, ()), clock)
        moments += [whole, *inside]
        if not any(moment.kind is MomentKind.CALL for moment in inside):
            moments += _calls_without_events(run, attempt, whole, inside)
        end = max(end, whole.start + (whole.seconds or 0.0))
    if run.state not in TERMINAL_RUN_STATES and (run.attempt <= len(attempts)):
        moments += _waiting(run.attempt + 1, end, clock.seconds(now))
    return tuple(moments)


class _Clock:
    """Seconds from a run's creation. The clocks of several machines differ a little: nothing lies before it."""

    def __init__(self, zero: datetime) -> None:
        self._zero = zero

    def seconds(self, at: datetime) -> float:
        return max(0.0, (at - self._zero).total_seconds())


def _attempt(attempt: Attempt, clock: _Clock) -> Moment:
    begin = attempt.started_at or attempt.finished_at
    seconds = max(0.0, (attempt.finished_at - begin).total_seconds())
    if attempt.latency_ms is not None:
        seconds = attempt.latency_ms / 1000
    parts = (attempt.error_code, attempt.error_message)
    return Moment(
        MomentKind.ATTEMPT,
        attempt.number,
        clock.seconds(begin),
        seconds,
        name=attempt.model,
        detail=": ".join([attempt.outcome.replace("_", " "), *filter(None, parts)]),
        calls=attempt.steps,
        usage=Usage(attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens, attempt.reasoning_tokens),
        is_error=attempt.outcome not in _FINE,
    )


def _waiting(attempt: int, begin: float, end: float) -> Iterable[Moment]:
    if end - begin >= LEAST_WAITING_SECONDS:
        yield Moment(MomentKind.WAITING, attempt, begin, end - begin)


def _calls_without_events(run: Run, attempt: Attempt, whole: Moment, before: Sequence[Moment]) -> Iterable[Moment]:
    """Return the call of a batch row that made one and no more: its attempt tells all of it.

    `before` it other models of a pool may have failed: then it began with the last failure.
    """
    if not attempt.steps:
        return
    end = whole.start + (whole.seconds or 0.0)
    start = min(end, max([whole.start, *(moment.start for moment in before)]))
    yield Moment(
        MomentKind.CALL,
        attempt.number,
        start,
        whole.seconds if start == whole.start else end - start,
        name=attempt.model,
        step=attempt.steps,
        calls=attempt.steps,
        usage=whole.usage,
        first_token=_seconds(attempt.first_token_ms),
        is_cached=run.is_cached and run.attempt == attempt.number,
    )


def _inside(attempt: Attempt, events: Sequence[RunEvent], clock: _Clock) -> list[Moment]:
    moments = [
        _MOMENTS[event.kind](event, clock.seconds(event.created_at)) for event in events if event.kind in _MOMENTS
    ]
    # Tools of one step run at once and end in any order.
    return sorted(moments, key=lambda moment: moment.start)


def _call(event: RunEvent, at: float) -> Moment:
    data = event.data
    seconds = _seconds(data.get("latency_ms")) or 0.0
    return Moment(
        MomentKind.CALL,
        event.attempt,
        max(0.0, at - seconds),
        seconds,
        name=str(data.get("model") or ""),
        detail=str(data.get("finish_reason") or ""),
        step=_step(data),
        calls=1,
        usage=_usage(data),
        first_token=_seconds(data.get("first_token_ms")),
        is_cached=bool(data.get("is_cached")),
    )


def _tool(event: RunEvent, at: float) -> Moment:
    data = event.data
    seconds = _seconds(data.get("latency_ms")) or 0.0
    failed = bool(data.get("is_error"))
    detail = str(data.get("result") or "") if failed else ""
    start = max(0.0, at - seconds)
    return Moment(
        MomentKind.TOOL, event.attempt, start, seconds, str(data.get("name")), detail, _step(data), is_error=failed
    )


def _rejected(event: RunEvent, at: float) -> Moment:
    problem = str(event.data.get("problem") or "")
    return Moment(MomentKind.REJECTED, event.attempt, at, detail=problem, step=_step(event.data), is_error=True)


def _failed_over(event: RunEvent, at: float) -> Moment:
    data = event.data
    detail = ": ".join(str(data[name]) for name in ("code", "message") if data.get(name))
    name = str(data.get("model") or "")
    return Moment(MomentKind.FAILED_OVER, event.attempt, at, None, name, detail, _step(data), is_error=True)


_MOMENTS: Mapping[str, Callable[[RunEvent, float], Moment]] = {
    RunEventKind.STEP: _call,
    RunEventKind.TOOL_RESULT: _tool,
    RunEventKind.REJECTED: _rejected,
    RunEventKind.FAILED_OVER: _failed_over,
}


def _usage(data: Mapping[str, Any]) -> Usage:
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return Usage(*(int(data.get(name) or 0) for name in names))


def _step(data: Mapping[str, Any]) -> int:
    return int(data.get("step") or 0)


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000
