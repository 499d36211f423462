"""The audit sees each way in which a batch can be wrong."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from django.utils import timezone

from batches.models import Attempt, Batch, Run
from batches.states import BatchState, RunState
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import row_id, row_text
from tests.faults.audit import Audit, audit
from tests.support.factories import make_batch

ROWS = 3

pytestmark = pytest.mark.django_db(transaction=True)


def add_success(batch: Batch, index: int, number: int) -> None:
    run = Run.objects.of_batch(batch.pk).get(index=index)
    Attempt.objects.create(run=run, number=number, outcome="succeeded", finished_at=timezone.now())


@pytest.fixture
def batch() -> Batch:
    """A batch whose rows have all succeeded with their own results."""
    rows = [{"custom_id": row_id(index), "text": row_text(index)} for index in range(ROWS)]
    made = make_batch(rows=rows, state=BatchState.COMPLETED)
    for run in Run.objects.of_batch(made.pk):
        Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED, output=row_text(run.index), attempt=1)
        add_success(made, run.index, 1)
    return made


def audited(batch: Batch, folder: Path, completions: int = 1) -> Audit:
    said = {"event": "batch_finished", "batch_id": batch.pk}
    others = [{"event": "batch_finished", "batch_id": batch.pk + 1}, {"event": "lease_reaped"}]
    lines = [orjson.dumps(line) for line in [*others, *[said] * completions]]
    (folder / "w0.log").write_bytes(b"\n".join([*lines, b'{"event": "batch_finished", cut']))
    return audit(Rig("sqlite", folder), batch)


def test_right_batch_is_whole(batch: Batch, tmp_path: Path):
    found = audited(batch, tmp_path)
    assert found.is_whole
    assert found.attempts == {"succeeded": ROWS}


def loses_a_row(batch: Batch) -> None:
    Attempt.objects.filter(run__batch=batch, run__index=1).delete()
    Run.objects.of_batch(batch.pk).filter(index=1).delete()


def has_a_stuck_row(batch: Batch) -> None:
    Run.objects.of_batch(batch.pk).filter(index=1).update(state=RunState.RUNNING)


def swaps_two_results(batch: Batch) -> None:
    Run.objects.of_batch(batch.pk).filter(index=0).update(output=row_text(1))


def succeeds_twice(batch: Batch) -> None:
    add_success(batch, 2, 2)


def is_not_completed(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)


@pytest.mark.parametrize("harm", [loses_a_row, has_a_stuck_row, swaps_two_results, succeeds_twice, is_not_completed])
def test_wrong_batch_is_not_whole(harm: Callable[[Batch], None], batch: Batch, tmp_path: Path):
    harm(batch)
    assert not audited(batch, tmp_path).is_whole


@pytest.mark.parametrize("completions", [0, 2])
def test_batch_is_completed_once(completions: int, batch: Batch, tmp_path: Path):
    assert not audited(batch, tmp_path, completions).is_whole
