"""Claiming: each row goes to one process, only when it is due and its batch runs."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from batches.execution.claims import ClaimedRun, claim_batch, claim_singles
from batches.execution.leases import open_lease
from batches.models import Batch, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch, make_single_run

from .helpers import claim


@pytest.mark.django_db
def test_rows_are_taken_in_the_order_of_the_input() -> None:
    batch = make_batch(rows=5)
    taken = claim(batch, 3)
    assert [run.id for run in taken] == [batch.run_ids[0] + index for index in range(3)]
    states = Run.objects.of_batch(batch.pk).values_list("state", "attempt")
    assert list(states) == [("running", 1)] * 3 + [("pending", 0)] * 2


@pytest.mark.django_db
@pytest.mark.parametrize("state", [state for state in BatchState if state is not BatchState.RUNNING])
def test_nothing_is_taken_of_a_batch_that_does_not_run(state: BatchState) -> None:
    batch = make_batch(rows=2, state=state)
    assert claim_batch(batch.pk, open_lease("p", batch.pk), 10) == []


@pytest.mark.django_db
def test_rows_that_are_not_due_are_passed_over() -> None:
    batch = make_batch(rows=3)
    first = Run.objects.of_batch(batch.pk).order_by("id")[0]
    Run.objects.filter(pk=first.pk).update(not_before=timezone.now() + timedelta(minutes=1))
    assert [run.id for run in claim(batch)] == [first.pk + 1, first.pk + 2]


@pytest.mark.django_db
def test_a_single_run_is_taken_once() -> None:
    run = make_single_run()
    lease = open_lease("p", None)
    assert [taken.id for taken in claim_singles([run.pk], lease)] == [run.pk]
    assert claim_singles([run.pk], lease) == []
    run.refresh_from_db()
    assert (run.state, run.attempt, run.lease_id) == (RunState.RUNNING, 1, lease)
    # Taken ahead, it may never be called.
    assert run.started_at is None


@pytest.mark.django_db(transaction=True)
def test_rivals_never_take_the_same_row() -> None:
    batch = make_batch(rows=200)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)
    taken: list[ClaimedRun] = []
    barrier = threading.Barrier(4)

    def rival(number: int) -> None:
        try:
            lease = open_lease(f"p{number}", batch.pk)
            barrier.wait()
            while runs := claim_batch(batch.pk, lease, 7):
                taken.extend(runs)
        finally:
            connection.close()

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A rival that finds every due row locked may stop early; what is taken is taken once.
    assert len(taken) == len({run.id for run in taken})
    left = claim_batch(batch.pk, open_lease("last", batch.pk), 500)
    assert {run.id for run in [*taken, *left]} == set(range(*batch.run_ids)[:200])
