"""Outcomes for tests of storing, made without running anything."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from agents.llm.types import Usage
from batches.execution.claims import ClaimedRun, claim_batch
from batches.execution.leases import open_lease
from batches.execution.outcomes import Outcome, Spent
from batches.models import AttemptOutcome, Batch, Lease
from batches.states import BatchState, RunState


def claim(batch: Batch, limit: int = 100, process: str = "here:1:1") -> list[ClaimedRun]:
    """Set the batch running and take up to `limit` of its rows under a fresh lease."""
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)
    return claim_batch(batch.pk, open_lease(process, batch.pk), limit)


def expire_leases(**which: Any) -> None:
    """As if every process, or those of the leases that `which` chooses, had died a while ago."""
    Lease.objects.filter(**which).update(expires_at=timezone.now() - timedelta(seconds=1))


def spent(cost: str = "0.001", tokens: int = 10) -> Spent:
    """Return what an attempt used."""
    return Spent(timezone.now(), "sim/echo-1", Usage(tokens, tokens), Decimal(cost), steps=1, latency_ms=5)


def success(run: ClaimedRun, output: str = "fine", **values: Any) -> Outcome:
    """Return the outcome of an attempt that succeeded."""
    return Outcome(
        run, "here:1:1", spent(), AttemptOutcome.SUCCEEDED, RunState.SUCCEEDED, run.tries, output=output, **values
    )


def failure(run: ClaimedRun, code: str = "invalid_request") -> Outcome:
    """Return the outcome of an attempt that failed for good."""
    return Outcome(
        run,
        "here:1:1",
        spent(),
        AttemptOutcome.FAILED,
        RunState.FAILED,
        run.tries + 1,
        error_code=code,
        error_message="It was refused.",
    )


def retried(run: ClaimedRun, delay: float) -> Outcome:
    """Return the outcome of an attempt that is tried again after `delay` seconds."""
    return Outcome(
        run,
        "here:1:1",
        spent(),
        AttemptOutcome.RETRIED,
        RunState.PENDING,
        run.tries + 1,
        delay=delay,
        error_code="timeout",
        error_message="It took too long.",
    )
