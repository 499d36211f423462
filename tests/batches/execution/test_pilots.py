"""A pilot: its rows run first, alone, and their end pauses the batch, once, whoever sees it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.execution import maintenance
from batches.execution.claims import claim_batch
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import open_lease
from batches.execution.pilots import end_pilot, end_pilots
from batches.execution.storing import store_outcomes
from batches.execution.suspects import takeable_suspects
from batches.manager import BatchManager
from batches.models import Batch, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_agent, make_batch
from workers.errors import InvalidInput

from .helpers import claim, expire_leases, failure, retried, success

pytestmark = pytest.mark.django_db
REASON = "Pilot of 6 rows done: resume to run the rest."


def pilot_batch(rows: int = 40, pilot: int = 6) -> Batch:
    """Return a running batch with a pilot."""
    batch = make_batch(rows=rows)
    return BatchManager(batch.owner).pilot(batch, pilot)


def take(batch: Batch, limit: int = 100) -> list:
    return claim_batch(batch.pk, open_lease("here:1:1", batch.pk), limit)


def facts(batch: Batch) -> tuple[str, str, object]:
    batch.refresh_from_db()
    return batch.state, batch.state_reason, batch.pilot


class TestBeginning:
    def test_only_the_pilots_rows_are_taken(self) -> None:
        batch = pilot_batch()
        assert batch.state == BatchState.RUNNING
        assert len(batch.pilot) == 6
        taken = take(batch, 4)
        assert taken.has_more
        taken += take(batch)
        assert [run.id - batch.run_ids[0] for run in taken] == batch.pilot
        assert not take(batch)

    def test_it_has_long_and_short_prompts_and_is_the_same_for_the_same_batch(self) -> None:
        texts = [{"text": "x" * (40 if index % 10 else 4_000)} for index in range(100)]
        version = make_agent().current_version
        pilots = []
        for _ in range(2):
            batch = make_batch(version=version, rows=texts, id=4_711)
            pilots.append(BatchManager(batch.owner).pilot(batch, 20).pilot)
            Run.objects.all().delete()
            batch.delete()
        assert pilots[0] == pilots[1]
        assert 2 <= sum(place % 10 == 0 for place in pilots[0]) <= 18

    @pytest.mark.parametrize(("rows", "message"), [(4, "5 to 1,000"), (1_001, "5 to 1,000"), (41, "only 40")])
    def test_a_number_that_cannot_be_is_refused(self, rows: int, message: str) -> None:
        batch = make_batch(rows=40)
        with pytest.raises(InvalidInput, match=message):
            BatchManager(batch.owner).pilot(batch, rows)
        assert facts(batch) == (BatchState.READY, "", None)

    def test_a_batch_that_is_not_ready_cannot_have_one(self) -> None:
        batch = make_batch(rows=40, state=BatchState.RUNNING)
        with pytest.raises(InvalidInput, match="ready"):
            BatchManager(batch.owner).pilot(batch, 6)
        assert facts(batch) == (BatchState.RUNNING, "", None)

    def test_a_pilot_of_all_rows_is_the_batch_itself(self) -> None:
        batch = pilot_batch(rows=8, pilot=8)
        assert batch.pilot is None
        store_outcomes([success(run) for run in take(batch)])
        assert end_pilots() == 0
        assert finalize_batch(batch.pk)
        assert facts(batch) == (BatchState.COMPLETED, "", None)

    @pytest.mark.parametrize("with_pilot", [False, True])
    def test_a_claim_asks_for_the_batch_once_whether_it_has_one_or_not(self, with_pilot: bool) -> None:
        batch = pilot_batch() if with_pilot else make_batch(rows=40, state=BatchState.RUNNING)
        lease = open_lease("p", batch.pk)
        with CaptureQueriesContext(connection) as queries:
            assert claim_batch(batch.pk, lease, 3)
        asked = [query["sql"] for query in queries if 'FROM "batches_batch"' in query["sql"]]
        assert len(asked) == 1
        # By id in the one case, by the index of the batch's pending rows in the other.
        (found,) = [query["sql"] for query in queries if "crash_slice" in query["sql"] and "SELECT" in query["sql"]]
        assert ('"id" IN' in found) is with_pilot


class TestEnding:
    def test_when_all_have_ended_the_batch_is_paused_and_resumes_to_the_rest(self) -> None:
        batch = pilot_batch()
        runs = take(batch)
        store_outcomes([success(run) for run in runs[:5]])
        assert end_pilots() == 0
        store_outcomes([failure(runs[5])])
        assert end_pilots() == 1
        assert facts(batch) == (BatchState.PAUSED, REASON, None)
        assert end_pilots() == 0
        BatchManager(batch.owner).resume(batch)
        assert len(take(batch)) == 34
        assert (batch.succeeded, batch.failed) == (5, 1)

    def test_a_row_that_is_tried_again_later_is_waited_for(self) -> None:
        batch = pilot_batch()
        *rest, last = take(batch)
        store_outcomes([*(success(run) for run in rest), retried(last, delay=60.0)])
        assert end_pilots() == 0
        assert not take(batch)
        Run.objects.filter(pk=last.id).update(not_before=timezone.now() - timedelta(seconds=1))
        store_outcomes([success(run) for run in take(batch)])
        assert end_pilots() == 1

    def test_suspects_of_a_pilot_run_and_are_waited_for(self) -> None:
        batch = pilot_batch()
        runs = take(batch)
        store_outcomes([success(run) for run in runs[2:]])
        expire_leases()
        assert maintenance.reap() == 2
        assert end_pilots() == 0
        assert set(takeable_suspects().values_list("pk", flat=True)) == {run.id for run in runs[:2]}
        assert not take(batch)

    def test_maintenance_ends_pilots_and_offers_only_what_can_be_taken(self) -> None:
        batch = pilot_batch()
        assert maintenance.offer_batches() == 1
        runs = take(batch)
        assert maintenance.offer_batches() == 0
        store_outcomes([success(run) for run in runs])
        assert end_pilots in maintenance.STEPS
        maintenance.run_step(end_pilots)
        assert facts(batch)[0] == BatchState.PAUSED

    def test_two_who_see_the_end_at_once_pause_it_once(self) -> None:
        batch = pilot_batch()
        store_outcomes([success(run) for run in take(batch)])
        assert [end_pilot(batch.pk), end_pilot(batch.pk)] == [True, False]

    def test_one_who_saw_the_end_late_does_not_pause_what_was_resumed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from batches.execution import pilots

        batch = pilot_batch()
        store_outcomes([success(run) for run in take(batch)])
        real = pilots._has_open_rows

        def while_a_rival_ends_it_and_the_user_resumes(*arguments: object) -> bool:
            monkeypatch.setattr(pilots, "_has_open_rows", real)
            assert end_pilot(batch.pk)
            BatchManager(batch.owner).resume(batch)
            return False

        monkeypatch.setattr(pilots, "_has_open_rows", while_a_rival_ends_it_and_the_user_resumes)
        assert not end_pilot(batch.pk)
        assert facts(batch) == (BatchState.RUNNING, "", None)


class TestWhatInterrupts:
    def test_a_paused_pilot_goes_on_as_one(self) -> None:
        batch = pilot_batch()
        manager = BatchManager(batch.owner)
        store_outcomes([success(run) for run in take(batch, 2)])
        manager.pause(batch)
        assert not take(batch)
        assert end_pilots() == 0
        manager.resume(batch)
        assert len(take(batch)) == 4

    def test_a_pilot_that_ends_while_its_batch_is_paused_says_so_and_resumes_to_the_rest(self) -> None:
        batch = pilot_batch()
        runs = take(batch)
        BatchManager(batch.owner).pause(batch)
        store_outcomes([success(run) for run in runs])
        assert end_pilots() == 1
        assert facts(batch) == (BatchState.PAUSED, REASON, None)

    def test_failed_rows_that_are_run_again_belong_to_the_pilot(self) -> None:
        batch = pilot_batch()
        runs = take(batch)
        store_outcomes([failure(run) for run in runs[:3]])
        assert BatchManager(batch.owner).retry(batch) == 3
        assert {run.id for run in take(batch)} == {run.id for run in runs[:3]}
        assert end_pilots() == 0

    def test_a_cancelled_batch_ends_as_cancelled(self) -> None:
        batch = pilot_batch()
        runs = take(batch)
        store_outcomes([success(run) for run in runs])
        BatchManager(batch.owner).cancel(batch)
        assert end_pilots() == 0
        assert finalize_batch(batch.pk)
        assert facts(batch)[0] == BatchState.CANCELLED

    def test_a_batch_whose_time_is_over_ends_as_expired(self) -> None:
        batch = pilot_batch()
        store_outcomes([success(run) for run in take(batch, 2)])
        Batch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        maintenance.run_step(maintenance.expire_batches)
        maintenance.run_step(end_pilots)
        assert finalize_batch(batch.pk)
        assert facts(batch)[:2] == (BatchState.EXPIRED, "")

    def test_a_batch_that_runs_on_after_it_has_no_pilot_left(self) -> None:
        batch = pilot_batch(rows=10)
        store_outcomes([success(run) for run in take(batch)])
        assert end_pilots() == 1
        BatchManager(batch.owner).resume(batch)
        store_outcomes([success(run) for run in take(batch)])
        assert finalize_batch(batch.pk)
        assert facts(batch) == (BatchState.COMPLETED, "", None)
        assert set(Run.objects.of_batch(batch.pk).values_list("state", "attempt")) == {(RunState.SUCCEEDED, 1)}


@pytest.mark.django_db(transaction=True)
def test_of_many_rivals_one_ends_the_pilot() -> None:
    batch = pilot_batch()
    store_outcomes([success(run) for run in take(batch)])
    barrier, ended = threading.Barrier(4), []

    def rival() -> None:
        try:
            barrier.wait()
            ended.append(end_pilot(batch.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=rival) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == [False, False, False, True]
    assert facts(batch) == (BatchState.PAUSED, REASON, None)


def test_a_claim_of_another_batch_is_none_of_the_pilots() -> None:
    pilot_batch()
    other = make_batch(rows=7)
    assert len(claim(other)) == 7
