"""Two leaders at once are harmless: whatever both do is done once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from batches.execution import leadership, maintenance
from batches.execution.claims import claim_singles
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import open_lease, release_leases
from batches.execution.suspects import claim_slice
from batches.models import Attempt, Batch, Leadership, Lease, Run
from batches.states import BatchState
from tests.support.factories import make_batch, make_single_run

from .helpers import claim, expire_leases

pytestmark = pytest.mark.django_db(transaction=True)

RIVALS = 3
ROUNDS = 3


def sweep_as_rivals() -> list[BaseException]:
    """Have several threads do all steps again and again at once, each as if it led; return what they raised."""
    barrier, raised = threading.Barrier(RIVALS), list[BaseException]()

    def lead() -> None:
        try:
            for _ in range(ROUNDS):
                barrier.wait(30)
                for step in maintenance.STEPS:
                    step()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=lead) for _ in range(RIVALS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def test_what_several_leaders_do_at_once_is_done_once() -> None:
    crashed, cancelled, expired, returned = make_batch(rows=40), *(make_batch(rows=30) for _ in range(3))
    claim(crashed, 20, process="dead")
    single = make_single_run()
    claim_singles([single.pk], open_lease("dead", None))
    alone = make_batch(rows=1, state=BatchState.RUNNING)
    Run.objects.of_batch(alone.pk).update(crash_slice=1, crashes=11)
    claim_slice(open_lease("child", None, is_quarantine=True), 10)
    expire_leases()
    claim(cancelled, 10)
    Batch.objects.filter(pk=cancelled.pk).update(state=BatchState.CANCELLING, cancelling_at=timezone.now())
    claim(expired, 10)
    Batch.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    Lease.objects.filter(pk=claim(returned, 10)[0].lease_id).update(released_at=timezone.now())
    assert sweep_as_rivals() == []

    def rows(batch: Batch) -> list[tuple[str, int]]:
        return sorted(Run.objects.of_batch(batch.pk).values_list("state", "crashes"))

    assert rows(crashed) == [("pending", 0)] * 20 + [("pending", 1)] * 20
    assert set(Run.objects.filter(crashes=1).values_list("crash_slice", flat=True)) == {21}
    assert rows(cancelled) == [("cancelled", 0)] * 30
    assert rows(expired) == [("expired", 0)] * 20 + [("running", 0)] * 10
    assert rows(returned) == [("pending", 0)] * 30
    assert rows(alone) == [("failed", 12)]
    counts = [(b.cancelled, b.expired, b.failed) for b in Batch.objects.order_by("pk")]
    assert counts == [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 0), (0, 0, 1)]
    by_kind = [Attempt.objects.filter(outcome=kind).count() for kind in ("crashed", "handed_back")]
    assert by_kind == [20 + 1 + 1, 10]


def test_a_batch_is_completed_once_by_many_at_once() -> None:
    batch = make_batch(rows=2, state=BatchState.RUNNING, succeeded=2)
    Run.objects.of_batch(batch.pk).update(state="succeeded")
    barrier, ended = threading.Barrier(4), list[bool]()

    def end() -> None:
        try:
            barrier.wait(30)
            ended.append(finalize_batch(batch.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=end) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == [False, False, False, True]


def test_a_process_reaped_while_it_releases_its_leases_loses_nothing_twice() -> None:
    batch = make_batch(rows=60)
    leases = [claim(batch, 10, process="p")[0].lease_id for _ in range(6)]
    expire_leases()
    barrier = threading.Barrier(2)

    def release() -> None:
        try:
            barrier.wait(30)
            for lease in leases:
                release_leases([lease])
        finally:
            connection.close()

    thread = threading.Thread(target=release)
    thread.start()
    barrier.wait(30)
    while Lease.objects.filter(released_at=None).exists():
        maintenance.reap()
    thread.join(60)
    assert Attempt.objects.count() == 60
    crashed = Attempt.objects.filter(outcome="crashed").count()
    assert Run.objects.filter(state="pending", crashes=1).count() == crashed
    assert Run.objects.filter(state="pending", crashes=0).count() == 60 - crashed


def test_two_that_want_to_lead_do_not_both() -> None:
    barrier, led = threading.Barrier(4), list[bool]()

    def lead(number: int) -> None:
        try:
            barrier.wait(30)
            led.append(leadership.lead(f"p{number}"))
        finally:
            connection.close()

    for _ in range(2):
        led.clear()
        Leadership.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        threads = [threading.Thread(target=lead, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(led) == [False, False, False, True]
