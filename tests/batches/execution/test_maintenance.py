"""Maintenance: dead leases are reaped, lost hints published again, abandoned batches ended, one leader at a time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.execution import leadership, maintenance
from batches.execution.claims import claim_batch, claim_singles
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import LeaseLost, open_lease, release_leases, renew_leases, return_orphans
from batches.execution.storing import store_outcomes
from batches.models import Attempt, Batch, Lease, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch, make_single_run
from tests.support.queues import messages_on

from .helpers import claim, expire_leases, success

pytestmark = pytest.mark.django_db


def test_rows_of_a_dead_process_are_taken_back_with_their_attempt_recorded() -> None:
    batch = make_batch(rows=3)
    runs = claim(batch, 2)
    assert maintenance.reap() == 0
    expire_leases()
    assert maintenance.reap() == 2
    rows = Run.objects.of_batch(batch.pk)
    assert set(rows.values_list("state", "crashes", "crash_slice")) == {("pending", 1, 2), ("pending", 0, None)}
    assert set(Attempt.objects.values_list("run_id", "outcome")) == {(run.id, "crashed") for run in runs}
    assert not Lease.objects.filter(released_at=None).exists()
    assert maintenance.reap() == 0


def test_a_single_run_of_a_dead_process_is_queued_again() -> None:
    run = make_single_run()
    claim_singles([run.pk], open_lease("p", None))
    expire_leases()
    assert maintenance.reap() == 1
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_a_claim_under_a_dead_lease_is_refused() -> None:
    batch = make_batch(rows=1, state=BatchState.RUNNING)
    single = make_single_run()
    lease = open_lease("p", batch.pk)
    expire_leases()
    for claiming in (lambda: claim_batch(batch.pk, lease, 5), lambda: claim_singles([single.pk], lease)):
        with pytest.raises(LeaseLost):
            claiming()
    assert not Run.objects.filter(state=RunState.RUNNING).exists()


def test_releasing_a_lease_hands_back_what_still_runs_under_it() -> None:
    batch = make_batch(rows=2)
    done, lost = claim(batch)
    store_outcomes([success(done)])
    release_leases([lost.lease_id])
    assert list(Run.objects.of_batch(batch.pk).values_list("state", "crashes")) == [("succeeded", 0), ("pending", 0)]
    assert Attempt.objects.get(run_id=lost.id).outcome == "handed_back"
    assert store_outcomes([success(lost)]) == [False]
    assert Attempt.objects.get(run_id=lost.id).input_tokens == 10


def test_runs_whose_lease_is_released_or_gone_wait_again() -> None:
    batch = make_batch(rows=3)
    runs = claim(batch)
    single = make_single_run()
    claim_singles([single.pk], open_lease("p", None))
    assert maintenance.return_unheld() == 0
    Lease.objects.update(released_at=timezone.now())
    Run.objects.filter(pk=runs[0].id).update(lease=None)
    assert maintenance.return_unheld() == 4
    assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {"pending"}
    single.refresh_from_db()
    assert single.state == RunState.QUEUED


def test_runs_held_without_knowing_are_handed_back_by_attempt() -> None:
    batch = make_batch(rows=2)
    first, second = claim(batch)
    assert return_orphans([(first.id, 1), (second.id, 7)]) == 1
    assert list(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == ["pending", "running"]


def test_a_cancelling_that_was_cut_short_is_brought_to_its_end() -> None:
    batch = make_batch(rows=3)
    claim(batch, 1)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.CANCELLING, cancelling_at=timezone.now())
    assert maintenance.go_on_cancelling() == 3
    assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.cancelled) == (BatchState.CANCELLED, 3)
    assert set(Run.objects.of_batch(batch.pk).values_list("error_code", flat=True)) == {"cancelled"}


def test_a_paused_batch_whose_counts_lie_stays_paused() -> None:
    batch = make_batch(rows=2, state=BatchState.PAUSED, succeeded=2)
    assert finalize_batch(batch.pk) is False
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded) == (BatchState.PAUSED, 0)


def test_a_result_after_the_reaper_is_refused_and_prices_the_crashed_attempt() -> None:
    batch = make_batch(rows=1)
    (run,) = claim(batch)
    expire_leases()
    maintenance.reap()
    assert store_outcomes([success(run)]) == [False]
    attempt = Attempt.objects.get(run_id=run.id)
    assert (attempt.outcome, attempt.input_tokens) == ("stale", 10)
    assert Run.objects.get(pk=run.id).state == RunState.PENDING
    assert store_outcomes([success(run)]) == [False]
    batch.refresh_from_db()
    assert batch.input_tokens == 10


def test_a_heartbeat_keeps_a_lease_and_tells_what_is_still_held() -> None:
    batch = make_batch(rows=3)
    runs = claim(batch, process="me")
    Run.objects.filter(pk=runs[0].id).update(state=RunState.CANCELLED)
    mine = {runs[0].lease_id}
    leases, held = renew_leases(mine)
    assert held == {(run.id, 1) for run in runs[1:]}
    assert leases == mine
    release_leases(mine)
    assert renew_leases(mine) == (set(), set())


@pytest.mark.django_db(transaction=True)
def test_a_running_batch_that_nobody_works_on_is_offered_again() -> None:
    batch = make_batch(rows=3, state=BatchState.RUNNING)
    assert maintenance.offer_batches() == 1
    assert messages_on("batch") == 1
    # What waits on the queue is not offered a second time.
    assert maintenance.offer_batches() == 0
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.PAUSED)
    assert maintenance.offer_batches() == 0


@pytest.mark.django_db(transaction=True)
def test_a_single_run_that_nobody_took_is_offered_again() -> None:
    run = make_single_run()
    assert maintenance.offer_singles() == 0
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert maintenance.offer_singles() == 1
    assert messages_on("interactive") == 1


def test_a_batch_whose_writer_died_fails_with_the_reason() -> None:
    batch = make_batch(rows=1, state=BatchState.VALIDATING)
    assert maintenance.end_abandoned() == 0
    Batch.objects.filter(pk=batch.pk).update(updated_at=timezone.now() - timedelta(hours=1))
    assert maintenance.end_abandoned() == 1
    batch.refresh_from_db()
    assert batch.state == BatchState.FAILED
    assert "create the batch again" in batch.state_reason
    assert (batch.total, Run.objects.of_batch(batch.pk).count()) == (0, 0)


def test_one_process_leads_until_it_resigns() -> None:
    assert leadership.lead("a")
    assert not leadership.lead("b")
    assert leadership.lead("a")
    leadership.resign("a")
    assert leadership.lead("b")
    assert not leadership.lead("a")


def test_a_failing_step_does_not_stop_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    def reap() -> int:
        raise RuntimeError("broken")

    monkeypatch.setattr(maintenance, "STEPS", (reap, *maintenance.STEPS[1:]))
    make_batch(rows=1, state=BatchState.FINALIZING)
    published: list[int] = []
    monkeypatch.setattr(maintenance, "publish_finalize", published.append)
    maintenance.sweep("a")
    assert len(published) == 1
