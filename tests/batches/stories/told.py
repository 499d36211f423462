"""Stored runs with all that can happen in one."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from batches.models import Attempt, Run, RunEvent
from tests.support.factories import make_agent, make_single_run, make_superuser

SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


def make_told_run(**fields: Any) -> Run:
    """Return a run that was refused once, then used a tool, failed over, was asked again, and answered."""
    owner = fields.pop("owner", None) or make_superuser()
    agent = make_agent(owner, slug=fields.pop("slug", "adder"), instructions="Add up.", output_schema=SCHEMA)
    begin = timezone.now() - timedelta(seconds=60)
    run = make_single_run(
        agent.current_version,
        {"text": "1 and 2"},
        state="succeeded",
        attempt=2,
        output='{"sum": 3}',
        parsed={"sum": 3},
        model="sim/large",
        input_tokens=30,
        output_tokens=12,
        **fields,
    )
    Run.objects.filter(pk=run.pk).update(created_at=begin)
    run.refresh_from_db()
    add_attempt(
        run, 1, begin, at=2, seconds=1, outcome="retried", error_code="rate_limited", error_message="Slow down."
    )
    add_attempt(run, 2, begin, at=5, seconds=4, steps=3, model="sim/large", input_tokens=30, output_tokens=12)
    events: list[tuple[float, str, dict[str, Any]]] = [
        (6.0, "step", _step(1, 1000, tool_calls=1, text="Let me see.")),
        (6.0, "tool_call", {"step": 1, "id": "c1", "name": "calculator", "arguments": '{"expression": "1+2"}'}),
        (6.5, "tool_result", {"step": 1, "id": "c1", "name": "calculator", "result": "3", "latency_ms": 500}),
        (7.0, "failed_over", {"step": 2, "model": "sim/small", "code": "overloaded", "message": "Busy."}),
        (8.0, "step", _step(2, 1000)),
        (
            8.0,
            "rejected",
            {"step": 2, "problem": "$.sum: 'three' is not of type 'integer'", "answer": '{"sum": "three"}'},
        ),
        (9.0, "step", _step(3, 1000, cached_tokens=4, first_token_ms=250)),
    ]
    for at, kind, data in events:
        add_event(run, 2, begin + timedelta(seconds=at), kind, data)
    return run


def add_attempt(
    run: Run, number: int, begin: datetime, *, at: float, seconds: float, outcome: str = "succeeded", **fields: Any
) -> Attempt:
    """Store an attempt that began `at` seconds after `begin`."""
    started = begin + timedelta(seconds=at)
    return Attempt.objects.create(
        run=run,
        number=number,
        outcome=outcome,
        started_at=started,
        finished_at=started + timedelta(seconds=seconds),
        latency_ms=round(seconds * 1000),
        **fields,
    )


def add_event(run: Run, attempt: int, at: datetime, kind: str, data: dict[str, Any]) -> None:
    """Store an event of the attempt."""
    RunEvent.objects.create(run=run, attempt=attempt, kind=kind, data=data, created_at=at)


def _step(step: int, latency_ms: int, **data: Any) -> dict[str, Any]:
    told = {"step": step, "model": "sim/large", "latency_ms": latency_ms, "input_tokens": 10, "output_tokens": 4}
    return told | {"finish_reason": "stop", "tool_calls": 0, "cost": "0.000001000"} | data
