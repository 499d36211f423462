"""Batches whose runs have ended, written straight through the models."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.models import AgentVersion
from batches.models import Batch, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_finished(results: Sequence[Mapping[str, Any]], version: AgentVersion | None = None, **fields: Any) -> Batch:
    """Return a completed batch whose runs have the given fields; `input` is a run's input, by default {"text": ...}.

    A run has succeeded in one attempt of 10 and 5 tokens unless told. The counts of the batch follow from its runs.
    """
    inputs = [result.get("input", {"text": f"row {index}"}) for index, result in enumerate(results)]
    batch = make_batch(version=version, rows=inputs, **({"state": BatchState.COMPLETED} | fields))
    runs = list(Run.objects.of_batch(batch.pk).order_by("id"))
    names = {"state", "attempt", "input_tokens", "output_tokens", "cost"}
    for run, result in zip(runs, results, strict=True):
        values = {"state": RunState.SUCCEEDED, "attempt": 1, "input_tokens": 10, "output_tokens": 5, **result}
        values.pop("input", None)
        names |= values.keys()
        for name, value in values.items():
            setattr(run, name, value)
    if runs:
        Run.objects.bulk_update(runs, sorted(names), batch_size=500)
    _count(batch, runs)
    return batch


def failed(code: str, message: str = "it failed", **fields: Any) -> dict[str, Any]:
    """Return the fields of a failed run."""
    return {"state": RunState.FAILED, "error_code": code, "error_message": message, **fields}


def _count(batch: Batch, runs: Sequence[Run]) -> None:
    for state in ("succeeded", "failed", "cancelled", "expired"):
        setattr(batch, state, sum(run.state == state for run in runs))
    batch.input_tokens = sum(run.input_tokens for run in runs)
    batch.output_tokens = sum(run.output_tokens for run in runs)
    batch.cost = sum((Decimal(run.cost) for run in runs), Decimal(0))
    batch.started_at, batch.finished_at = STARTED, STARTED + timedelta(seconds=10)
    batch.save()
