"""Changes of a batch are told to those who work on it, and who makes them knows that they act on them."""

import time
from collections.abc import Iterator

import pytest
from django.utils import timezone

from batches import telling
from batches.execution import heartbeat
from batches.execution.claims import claim_batch
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.execution.leases import open_lease
from batches.manager import BatchManager
from batches.models import Attempt, Batch, Run
from batches.states import BatchState, Priority, RunState
from tests.support.factories import make_agent, make_batch
from tests.support.waiting import wait_for
from workers.redis import connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, settings) -> Iterator[WorkerHost]:
    # Nothing is seen unless it is told.
    monkeypatch.setattr(heartbeat, "REFRESH_SECONDS", 600.0)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 600.0)
    settings.ARBORETUM_WORKER_SLOTS = 5
    running = WorkerHost()
    wait_for(lambda: listeners() == 1, 5, "the host to listen")
    yield running
    running.stop()


def listeners() -> int:
    return int(connection().pubsub_numsub(telling.CHANGES)[0][1])


def batch_at_work(host: WorkerHost, latency: float, rows: int = 200) -> Batch:
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": latency}}).current_version
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: host.running == 5, 5, "all slots to be taken")
    return batch


def test_nothing_starts_once_the_pause_is_over(host: WorkerHost) -> None:
    batch = batch_at_work(host, 0.05)
    BatchManager(batch.owner).pause(batch)
    paused_at = timezone.now()
    wait_for(lambda: not Run.objects.filter(state=RunState.RUNNING).exists(), 5, "calls in flight to end")
    assert not Run.objects.filter(started_at__gt=paused_at).exists()
    assert Run.objects.filter(state=RunState.PENDING, attempt=0).exists()


def test_a_batch_that_is_resumed_at_once_goes_on_at_once(host: WorkerHost) -> None:
    batch = batch_at_work(host, 0.05, rows=50)
    manager = BatchManager(batch.owner)
    manager.pause(batch)
    manager.resume(batch)
    began = time.monotonic()
    host.wait(run_lease(host, batch.pk))
    assert time.monotonic() - began < 5
    assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {RunState.SUCCEEDED}


def test_calls_of_a_cancelled_batch_are_cut_at_once(host: WorkerHost) -> None:
    batch = batch_at_work(host, 30.0)
    BatchManager(batch.owner).cancel(batch)
    wait_for(lambda: host.running == 0, 2, "the calls to be cut")
    wait_for(lambda: Attempt.objects.filter(outcome="cancelled").count() == 5, 2, "the cut calls to be recorded")


def test_calls_of_a_paused_batch_that_is_cancelled_are_cut_at_once(host: WorkerHost) -> None:
    batch = batch_at_work(host, 30.0)
    BatchManager(batch.owner).pause(batch)
    wait_for(lambda: not host.turns.batch_ids(), 2, "the loop to leave")
    assert host.running == 5
    BatchManager(batch.owner).cancel(batch)
    wait_for(lambda: host.running == 0, 2, "the calls to be cut")


def test_a_new_priority_is_followed_at_once(host: WorkerHost) -> None:
    batch = batch_at_work(host, 30.0)
    BatchManager(batch.owner).change(batch, priority=Priority.HIGH, weight=7)
    (loop,) = host.turns._loops.values()
    assert (loop.lane.priority, loop.lane.weight) == (Priority.HIGH, 7)
    BatchManager(batch.owner).cancel(batch)


def test_who_does_not_answer_is_not_waited_for_for_long() -> None:
    batch = make_batch(rows=1, state=BatchState.RUNNING)
    deaf = connection().pubsub()
    deaf.subscribe(telling.CHANGES)
    wait_for(lambda: listeners() == 1, 5, "somebody who never answers")
    began = time.monotonic()
    BatchManager(batch.owner).pause(batch)
    assert telling.PATIENCE_SECONDS <= time.monotonic() - began < telling.PATIENCE_SECONDS + 1
    deaf.close()
    wait_for(lambda: listeners() == 0, 5, "nobody to be left")
    other = make_batch(rows=1, state=BatchState.RUNNING)
    began = time.monotonic()
    BatchManager(other.owner).pause(other)
    assert time.monotonic() - began < telling.PATIENCE_SECONDS


def test_nonsense_on_the_channel_stops_nobody(host: WorkerHost) -> None:
    for nonsense in (b"{", b"[1]", b'["a", "b"]', b"[1, 2]"):
        connection().publish(telling.CHANGES, nonsense)
    batch = batch_at_work(host, 30.0)
    BatchManager(batch.owner).cancel(batch)
    wait_for(lambda: host.running == 0, 2, "the calls to be cut")


def test_a_word_that_nobody_waits_for_is_not_kept(host: WorkerHost) -> None:
    connection().publish(telling.CHANGES, b'[1, "word"]')
    key = telling.heard_key("word")
    wait_for(lambda: connection().exists(key), 5, "the word")
    assert 0 < connection().ttl(key) <= telling.HEARD_SECONDS


def test_rows_that_wait_for_slots_are_given_back_where_nothing_else_is_left_to_take(host: WorkerHost) -> None:
    batch = batch_at_work(host, 30.0, rows=12)
    waiting = Run.objects.filter(state=RunState.PENDING, attempt=0)
    ahead = 12 - 5 - waiting.count()
    assert ahead > 0
    claim_batch(batch.pk, open_lease("another", batch.pk), 100)
    wait_for(lambda: waiting.count() == ahead, 3, "others to be able to take what has no slot here")
    BatchManager(batch.owner).cancel(batch)
