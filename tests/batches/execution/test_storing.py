"""Storing outcomes: the fence, the counts in the same transaction, late results refused with their cost kept."""

from dataclasses import replace
from decimal import Decimal

import pytest

from batches.execution.claims import claim_batch
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import open_lease
from batches.execution.storing import store_outcomes
from batches.models import Attempt, Batch, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch

from .helpers import claim, failure, retried, success

pytestmark = pytest.mark.django_db


def test_each_result_lands_on_its_own_row_with_its_attempt_and_counts() -> None:
    batch = make_batch(rows=3)
    runs = claim(batch)
    accepted = store_outcomes([success(runs[2], "c"), failure(runs[1]), success(runs[0], "a")])
    assert accepted == [True, True, True]
    rows = list(Run.objects.of_batch(batch.pk).values_list("state", "output", "error_code"))
    assert rows == [("succeeded", "a", None), ("failed", None, "invalid_request"), ("succeeded", "c", None)]
    assert Attempt.objects.filter(run__batch=batch).count() == 3
    batch.refresh_from_db()
    assert (batch.succeeded, batch.failed, batch.remaining) == (2, 1, 0)
    assert (batch.cost, batch.input_tokens, batch.output_tokens) == (Decimal("0.003"), 30, 30)
    run = Run.objects.get(pk=runs[0].id)
    assert (run.cost, run.input_tokens, run.latency_ms) == (Decimal("0.001"), 10, 5)
    assert run.finished_at is not None
    assert (run.lease_id, run.token) == (None, None)


def test_storing_twice_changes_nothing() -> None:
    batch = make_batch(rows=2)
    outcomes = [success(run) for run in claim(batch)]
    assert store_outcomes(outcomes) == [True, True]
    assert store_outcomes(outcomes) == [False, False]
    batch.refresh_from_db()
    assert (batch.succeeded, batch.cost) == (2, Decimal("0.002"))
    assert Attempt.objects.filter(run__batch=batch, outcome="succeeded").count() == 2


def test_a_wrong_token_is_fenced_off_and_its_cost_kept() -> None:
    batch = make_batch(rows=1)
    (run,) = claim(batch)
    stale = replace(run, token=run.token + 1)
    assert store_outcomes([success(stale, "stale")]) == [False]
    row = Run.objects.get(pk=run.id)
    assert (row.state, row.output, row.cost) == (RunState.RUNNING, None, Decimal("0.001"))
    assert Attempt.objects.get(run_id=run.id).outcome == "stale"
    batch.refresh_from_db()
    assert (batch.succeeded, batch.cost) == (0, Decimal("0.001"))


def test_a_late_result_of_an_earlier_attempt_does_not_touch_the_later_one() -> None:
    batch = make_batch(rows=1)
    (first,) = claim(batch)
    Run.objects.filter(pk=first.id).update(state=RunState.PENDING, lease=None, token=None)
    (second,) = claim_batch(batch.pk, open_lease("q", batch.pk), 5)
    assert second.attempt == 2
    assert store_outcomes([success(second, "right"), success(first, "late")]) == [True, False]
    row = Run.objects.get(pk=first.id)
    assert (row.output, row.cost) == ("right", Decimal("0.002"))
    assert list(Attempt.objects.filter(run=row).values_list("number", "outcome")) == [(1, "stale"), (2, "succeeded")]


def test_a_cancelled_run_keeps_its_state_and_is_priced() -> None:
    batch = make_batch(rows=1)
    (run,) = claim(batch)
    Run.objects.filter(pk=run.id).update(state=RunState.CANCELLED, token=None)
    assert store_outcomes([success(run)]) == [False]
    assert Run.objects.get(pk=run.id).state == RunState.CANCELLED
    assert Attempt.objects.get(run_id=run.id).outcome == "cancelled"


def test_a_retry_waits_until_it_is_due() -> None:
    batch = make_batch(rows=2)
    soon, later = claim(batch)
    store_outcomes([retried(soon, 0.0), retried(later, 60.0)])
    due = claim_batch(batch.pk, open_lease("q", batch.pk), 5)
    assert [(run.id, run.attempt, run.tries) for run in due] == [(soon.id, 2, 1)]
    assert Run.objects.get(pk=later.id).not_before is not None


def test_parsed_json_and_hostile_text_are_stored_as_data() -> None:
    batch = make_batch(rows=1)
    (run,) = claim(batch)
    text = "'; DROP TABLE batches_run; -- %s {0} \U0001f333"
    store_outcomes([success(run, text, parsed_json='{"__type__": "x", "n": [1, 2.5, null]}')])
    row = Run.objects.get(pk=run.id)
    assert (row.output, row.parsed) == (text, {"__type__": "x", "n": [1, 2.5, None]})


def test_many_outcomes_in_one_statement() -> None:
    batch = make_batch(rows=600)
    runs = claim(batch, 600)
    assert all(store_outcomes([success(run, f"out {run.id}") for run in runs]))
    assert all(row.output == f"out {row.pk}" for row in Run.objects.of_batch(batch.pk))
    assert finalize_batch(batch.pk)


def test_finalising_proves_the_counts_and_happens_once() -> None:
    batch = make_batch(rows=3)
    store_outcomes([success(run) for run in claim(batch)])
    Batch.objects.filter(pk=batch.pk).update(succeeded=2, failed=1)
    assert finalize_batch(batch.pk) is True
    assert finalize_batch(batch.pk) is False
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded, batch.failed) == (BatchState.COMPLETED, 3, 0)
    assert batch.finished_at is not None


def test_a_batch_whose_counts_lie_runs_on() -> None:
    batch = make_batch(rows=3)
    store_outcomes([success(run) for run in claim(batch, 2)])
    Batch.objects.filter(pk=batch.pk).update(succeeded=3)
    assert finalize_batch(batch.pk) is False
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded, batch.finished_at) == (BatchState.RUNNING, 2, None)


def test_only_a_run_that_a_stored_answer_ended_is_marked_as_cached() -> None:
    batch = make_batch(rows=2)
    first, second = claim(batch)
    again = retried(first, 0.0)
    again.spent.is_cached = True
    served = success(second)
    served.spent.is_cached = True
    assert store_outcomes([again, served]) == [True, True]
    (later,) = claim_batch(batch.pk, open_lease("q", batch.pk), 5)
    # In a group of which nobody has more to tell.
    assert store_outcomes([success(later)]) == [True]
    assert list(Run.objects.of_batch(batch.pk).values_list("id", "is_cached")) == [(first.id, False), (second.id, True)]
