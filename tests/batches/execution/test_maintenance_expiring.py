"""A batch whose time is over: what was not run ends as expired, calls in flight end as they do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.execution.claims import claim_batch
from batches.execution.expiring import expire_batches
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import open_lease
from batches.execution.maintenance import offer_batches
from batches.execution.storing import store_outcomes
from batches.execution.suspects import claim_slice, has_suspects
from batches.models import Batch, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch

from .helpers import claim, retried, success

pytestmark = pytest.mark.django_db


def end_time(batch: Batch, seconds: float = -1) -> None:
    """Set the end of the batch's time, `seconds` from now."""
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() + timedelta(seconds=seconds))


def test_rows_not_taken_expire_and_calls_in_flight_end_as_they_do() -> None:
    batch = make_batch(rows=5)
    first, second = claim(batch, 2)
    end_time(batch)
    assert expire_batches() == 3
    rows = Run.objects.of_batch(batch.pk)
    assert set(rows.filter(state="expired").values_list("error_code", "index")) == {("expired", n) for n in (2, 3, 4)}
    assert not rows.filter(state="expired", finished_at=None).exists()
    # One ends, the other comes back to wait and ends at the next look.
    assert store_outcomes([success(first), retried(second, 0.5)]) == [True, True]
    assert finalize_batch(batch.pk) is False
    assert expire_batches() == 1
    assert expire_batches() == 0
    assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded, batch.expired) == (BatchState.EXPIRED, 1, 4)


def test_nothing_is_taken_or_offered_of_a_batch_whose_time_is_over() -> None:
    batch = make_batch(rows=2, state=BatchState.RUNNING)
    Run.objects.filter(pk=batch.run_ids[0]).update(crash_slice=1)
    end_time(batch)
    assert claim_batch(batch.pk, open_lease("p", batch.pk), 5) == []
    assert not has_suspects()
    assert claim_slice(open_lease("q", None, is_quarantine=True), 10) == []
    assert offer_batches() == 0
    assert expire_batches() == 2


def test_a_paused_batch_expires_too() -> None:
    batch = make_batch(rows=2, state=BatchState.PAUSED)
    end_time(batch)
    assert expire_batches() == 2
    assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.state == BatchState.EXPIRED


@pytest.mark.parametrize("state", sorted(set(BatchState) - {BatchState.RUNNING, BatchState.PAUSED}))
def test_batches_that_do_not_run_do_not_expire(state: BatchState) -> None:
    end_time(make_batch(rows=1, state=state))
    assert expire_batches() == 0
    assert Run.objects.get().state == RunState.PENDING


def test_a_batch_runs_until_its_time_is_over() -> None:
    batch = make_batch(rows=1, state=BatchState.RUNNING)
    end_time(batch, 60)
    assert expire_batches() == 0
    assert len(claim(batch)) == 1
