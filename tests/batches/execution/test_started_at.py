"""When a run started is when its first attempt did, not when it was taken ahead."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batches.execution.claims import ClaimedRun, claim_batch, claim_singles
from batches.execution.leases import open_lease
from batches.execution.outcomes import Outcome, Spent
from batches.execution.storing import store_outcomes
from batches.execution.unclaiming import unclaim
from batches.models import AttemptOutcome, Run
from batches.states import RunState
from tests.support.factories import make_batch, make_single_run

from .helpers import claim, retried, success

pytestmark = pytest.mark.django_db

BEGAN = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def began(outcome: Outcome, at: datetime) -> Outcome:
    """Return the outcome of an attempt that began then."""
    return replace(outcome, spent=replace(outcome.spent, started_at=at))


def handed_back(run: ClaimedRun, model: str) -> Outcome:
    """Return the outcome of an attempt that was cut off; without a model before it was prepared."""
    return Outcome(run, "here:1:1", Spent(BEGAN, model), AttemptOutcome.HANDED_BACK, RunState.PENDING, run.tries)


def started(run: ClaimedRun) -> datetime | None:
    """Return when the database says that a run started."""
    return Run.objects.get(pk=run.id).started_at


def test_the_first_attempt_that_is_stored_says_when_a_run_started() -> None:
    batch = make_batch(rows=3)
    runs = claim(batch)
    assert {started(run) for run in runs} == {None}
    store_outcomes([began(success(runs[0]), BEGAN), began(retried(runs[1], 0.0), BEGAN)])
    assert [started(run) for run in runs] == [BEGAN, BEGAN, None]
    (again,) = claim_batch(batch.pk, open_lease("q", batch.pk), 1)
    store_outcomes([began(success(again), BEGAN + timedelta(hours=1))])
    assert started(runs[1]) == BEGAN


def test_a_whole_second_is_stored_as_well_as_any_other() -> None:
    (run,) = claim(make_batch(rows=1))
    store_outcomes([began(success(run), BEGAN.replace(microsecond=0))])
    assert started(run) == BEGAN.replace(microsecond=0)
    assert Run.objects.filter(started_at__lt=BEGAN, started_at__gt=BEGAN - timedelta(seconds=1)).exists()


def test_an_attempt_that_was_cut_off_counts_only_where_it_had_begun() -> None:
    runs = claim(make_batch(rows=2))
    store_outcomes([handed_back(runs[0], ""), handed_back(runs[1], "sim/echo-1")])
    assert [started(run) for run in runs] == [None, BEGAN]


def test_a_late_result_does_not_change_when_a_run_started() -> None:
    (run,) = claim(make_batch(rows=1))
    assert store_outcomes([began(success(replace(run, token=run.token + 1)), BEGAN)]) == [False]
    assert started(run) is None


def test_what_is_given_back_has_started_only_where_an_attempt_is_left() -> None:
    fresh, tried = claim(make_batch(rows=2))
    single = make_single_run()
    (alone,) = claim_singles([single.pk], open_lease("p", None))
    # As an earlier version's claim had it.
    Run.objects.update(started_at=BEGAN)
    Run.objects.filter(pk=tried.id).update(attempt=2)
    assert unclaim([fresh, replace(tried, attempt=2), alone]) == 3
    rows = Run.objects.order_by("id").values_list("state", "attempt", "started_at")
    assert list(rows) == [("pending", 0, None), ("pending", 1, BEGAN), ("queued", 0, None)]
