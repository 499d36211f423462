"""Quarantine: what the child does with slices, and what its keeper makes of its end."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from batches.execution.clock import now_plus
from batches.execution.host import WorkerHost
from batches.execution.journal import journal_path
from batches.execution.leases import HEARTBEAT_SECONDS, open_lease
from batches.execution.suspects import claim_slice, has_suspects
from batches.models import Attempt, Batch, Lease, Run
from batches.quarantine import child, keeper, slice
from batches.quarantine.exits import FAILED
from batches.quarantine.keeper import QuarantineKeeper
from batches.states import BatchState, RunState
from credentials.models import Credential
from tests.support.factories import make_agent, make_batch, make_single_run
from tests.support.waiting import wait_for

from .dying import starts
from .helpers import expire_leases

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host() -> Iterator[WorkerHost]:
    running = WorkerHost(process="child")
    yield running
    running.stop()


def suspects(rows: int, crash_slice: int, latency: float = 0.0) -> Batch:
    """Return a running batch whose rows are all suspects, and take `latency` seconds each."""
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": latency}}).current_version
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    Run.objects.of_batch(batch.pk).update(crash_slice=crash_slice, crashes=1)
    return batch


def states(batch: Batch) -> set[tuple[str, int]]:
    """Return the states of the batch's rows, with the number of the latest attempt."""
    return set(Run.objects.of_batch(batch.pk).values_list("state", "attempt"))


def test_slices_are_run_until_no_suspect_is_left(host: WorkerHost) -> None:
    batches = [suspects(9, 9), suspects(3, 1), suspects(5, 4)]
    single = make_single_run(crash_slice=2)
    host.wait(child.run_slices(host, 0))
    assert [states(batch) for batch in batches] == [{("succeeded", 1)}] * 3
    single.refresh_from_db()
    assert single.state == RunState.SUCCEEDED
    leases = list(Lease.objects.values_list("process", "is_quarantine", "batch"))
    # 4 of the nine and 1, 4 and 1, the last of nine with one of five, 1, then 2 of five, the single run, and 2.
    assert leases == [("child", True, None)] * 9
    assert not Lease.objects.filter(released_at=None).exists()


def test_turns_alternate_between_the_largest_and_the_smallest_group(host: WorkerHost) -> None:
    suspects(5, 8)
    suspects(2, 1)
    host.wait(child.run_slices(host, 1))
    sizes = Attempt.objects.order_by("id").values_list("run__crash_slice", flat=True)
    assert list(sizes) == [1, 8, 8, 8, 8, 1, 8]


def test_a_suspect_that_is_due_soon_is_waited_for(host: WorkerHost) -> None:
    batch = suspects(1, 1)
    Run.objects.update(not_before=timezone.now() + timedelta(seconds=1))
    host.wait(child.run_slices(host, 0))
    assert states(batch) == {("succeeded", 1)}


def test_a_slice_under_a_lost_lease_is_not_taken(host: WorkerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    suspects(2, 4)

    def late(lease_id: int, most: int, **options: bool) -> object:
        expire_leases()
        return claim_slice(lease_id, most, **options)

    monkeypatch.setattr(child, "claim_slice", late)
    assert host.wait(child.run_slice(host, smallest=False)) == 0
    assert has_suspects()


def test_no_more_suspects_run_at_once_than_the_process_has_slots(settings: LazySettings) -> None:
    settings.ARBORETUM_WORKER_SLOTS = 3
    small = WorkerHost(process="child")
    try:
        batch = suspects(8, 100)
        small.wait(child.run_slices(small, 0))
    finally:
        small.stop()
    assert states(batch) == {("succeeded", 1)}
    # 3 + 3 + 2: a slice is over before the next one is taken.
    assert Lease.objects.count() == 3


def test_a_suspect_gives_no_slot_back_that_it_never_had(host: WorkerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(host.dispatcher, "give_slot_back", lambda: given.append(host.slots.free))
    simulated = {"reply": "echo", "latency": 0, "tool_calls": [{"name": "now", "arguments": {}}]}
    agent = make_agent(parameters={"simulated": simulated}, abilities=["now"])
    batch = make_batch(version=agent.current_version, rows=2, state=BatchState.RUNNING)
    Run.objects.of_batch(batch.pk).update(crash_slice=4, crashes=1)
    host.wait(child.run_slices(host, 0))
    assert states(batch) == {("succeeded", 1)}
    assert set(Attempt.objects.values_list("steps", flat=True)) == {2}
    assert (given, host.slots.free) == ([], host.slots.size)


def block() -> None:
    """As if the provider had told that nobody may call for a minute."""
    Credential.objects.update(blocked_until=timezone.now() + timedelta(minutes=1))


@pytest.mark.parametrize("state", [BatchState.PAUSED, BatchState.CANCELLING])
def test_what_has_not_started_when_its_batch_stops_is_given_back(
    host: WorkerHost, monkeypatch: pytest.MonkeyPatch, state: BatchState
) -> None:
    monkeypatch.setattr(slice, "LOOK_SECONDS", 0.1)
    batch = suspects(3, 6)
    block()
    threading.Timer(0.5, lambda: Batch.objects.update(state=state)).start()
    host.wait(child.run_slice(host, smallest=False))
    assert states(batch) == {("pending", 0)}
    assert set(Run.objects.values_list("crash_slice", "not_before")) == {(6, None)}
    assert not Attempt.objects.exists()


def test_what_may_not_start_soon_makes_room_for_others(host: WorkerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(slice, "PATIENCE_SECONDS", 0.5)
    blocked, single = suspects(3, 20), make_single_run(crash_slice=20)
    block()
    free = suspects(3, 20)
    host.wait(child.run_slice(host, smallest=False))
    assert states(free) == {("succeeded", 1)}
    assert states(blocked) == {("pending", 0)}
    single.refresh_from_db()
    assert (single.state, single.attempt) == (RunState.QUEUED, 0)
    left = Run.objects.exclude(state="succeeded").values_list("not_before", flat=True)
    assert all(moment > timezone.now() for moment in left)
    assert not has_suspects()


def test_a_draining_child_gives_back_what_has_not_started(host: WorkerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice, "LOOK_SECONDS", 0.1)
    batch = suspects(3, 6)
    block()
    threading.Timer(0.5, host.drain).start()
    host.wait(asyncio.wait_for(child.run_slices(host, 0), 5))
    assert states(batch) == {("pending", 0)}


@pytest.fixture
def kept(worker_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[QuarantineKeeper]:
    for name in ("DATABASE_URL", "PYTHONPATH"):
        monkeypatch.setenv(name, worker_env[name])
    running = QuarantineKeeper()
    yield running
    running.stop()


def started(kept: QuarantineKeeper, batch: Batch) -> int:
    """Have the keeper start a child, wait until it runs rows of the batch, and return its process id."""
    kept.look("worker", may_start=True)
    assert kept.is_running
    running = Run.objects.of_batch(batch.pk).filter(state=RunState.RUNNING)
    wait_for(running.exists, 30, "the child to take a slice")
    assert kept._child is not None
    return kept._child.process.pid


@pytest.mark.worker
def test_a_child_runs_the_suspects_and_ends(kept: QuarantineKeeper) -> None:
    kept.look("worker", may_start=True)
    assert not kept.has_child
    batch = suspects(5, 5)
    kept.look("worker", may_start=False)
    assert not kept.has_child
    kept.look("worker", may_start=True)
    wait_for(lambda: not kept.is_running, 30, "the child to end")
    assert states(batch) == {("succeeded", 1)}
    assert set(Attempt.objects.values_list("worker", flat=True)) == {"worker:q0"}
    kept.look("worker", may_start=True)
    assert not kept.has_child


@pytest.mark.worker
def test_the_slice_of_a_child_that_died_is_halved_at_once(kept: QuarantineKeeper) -> None:
    batch = suspects(6, 12, latency=30)
    child = started(kept, batch)
    wait_for(lambda: starts("worker:q0") == 6, 5, "all calls to be in flight")
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not kept.is_running, 5, "the child to die")
    kept.look("worker", may_start=True)
    assert kept.is_running
    assert set(Run.objects.of_batch(batch.pk).values_list("crashes", "crash_slice")) == {(2, 6)}
    assert set(Attempt.objects.values_list("outcome", "worker")) == {("crashed", "worker:q0")}


@pytest.mark.worker
def test_what_only_waited_in_a_child_stays_innocent_where_its_runs_are_taken_back_at_the_second_look(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = suspects(1, 1, latency=30)
    child = started(kept, batch)
    wait_for(lambda: starts("worker:q0") == 1, 5, "the journal to be written")
    really_reap, answers = keeper.reap_process, [None]

    def reap(*arguments: Any, **options: Any) -> int | None:
        # Somebody else has a row locked at first.
        return answers.pop() if answers else really_reap(*arguments, **options)

    monkeypatch.setattr(keeper, "reap_process", reap)
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not kept.is_running, 5, "the child to die")
    forget_start("worker:q0")
    kept.look("worker", may_start=False)
    assert Run.objects.of_batch(batch.pk).get().state == RunState.RUNNING
    kept.look("worker", may_start=False)
    assert Run.objects.of_batch(batch.pk).get().state == RunState.PENDING


def forget_start(process: str) -> None:
    """Take the starts out of the journal of a dead process, as if it had died while its runs waited."""
    path = journal_path(process)
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if not line.startswith(b'["s"')))


@pytest.mark.worker
def test_a_child_that_is_stopped_hands_back_and_accuses_nobody(
    kept: QuarantineKeeper, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARBORETUM_GRACE_SECONDS = 0.2
    monkeypatch.setenv("ARBORETUM_GRACE_SECONDS", "0.2")
    batch = suspects(2, 4, latency=30)
    started(kept, batch)
    kept.look("worker", may_start=False)
    kept.stop()
    assert not kept.has_child
    assert set(Run.objects.of_batch(batch.pk).values_list("state", "crashes", "crash_slice")) == {("pending", 1, 4)}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"handed_back"}
    assert not Lease.objects.filter(released_at=None).exists()


@pytest.mark.worker
def test_a_child_that_does_not_stop_in_time_is_killed_and_its_rows_handed_back(
    kept: QuarantineKeeper, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ARBORETUM_GRACE_SECONDS = 0
    monkeypatch.setattr(keeper, "EXTRA_SECONDS", 0.2)
    batch = suspects(1, 1, latency=30)
    os.kill(started(kept, batch), signal.SIGSTOP)
    kept.stop()
    run = Run.objects.of_batch(batch.pk).get()
    assert (run.state, run.crashes, run.crash_slice) == (RunState.PENDING, 1, 1)


@pytest.mark.worker
def test_a_child_that_hangs_is_killed_before_others_take_its_runs(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "ASK_SECONDS", 0.0)
    batch = suspects(1, 1, latency=30)
    child = started(kept, batch)
    wait_for(lambda: starts("worker:q0") == 1, 5, "the call to be in flight")
    os.kill(child, signal.SIGSTOP)
    kept.look("worker", may_start=True)
    assert kept.is_running
    Lease.objects.update(expires_at=now_plus(HEARTBEAT_SECONDS - 1))
    kept.look("worker", may_start=False)
    assert not kept.has_child
    run = Run.objects.of_batch(batch.pk).get()
    assert (run.state, run.crashes, run.crash_slice) == (RunState.PENDING, 2, 1)


@pytest.mark.worker
def test_after_a_child_that_cannot_start_the_next_one_waits(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspects(1, 1)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings_that_do_not_exist")
    kept.look("worker", may_start=True)
    wait_for(lambda: not kept.is_running, 30, "the child to fail")
    kept.look("worker", may_start=True)
    assert not kept.has_child
    kept.look("worker", may_start=True)
    assert not kept.has_child
    assert has_suspects()


@pytest.mark.worker
def test_a_child_that_cannot_go_on_says_so_by_its_exit_code(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspects(1, 1)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings_that_do_not_exist")
    kept.look("worker", may_start=True)
    assert kept._child is not None
    assert kept._child.process.wait(30) == FAILED


@pytest.mark.worker
@pytest.mark.parametrize(
    ("end", "found"),
    [
        (f"exit {FAILED}", ("pending", 1, "handed_back")),
        ("exit 0", ("pending", 1, "handed_back")),
        ("exit 7", ("failed", 2, "crashed")),
        ("kill -KILL $$", ("failed", 2, "crashed")),
    ],
)
def test_only_a_death_is_laid_to_the_run_that_was_alone(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch, short_folder: Path, end: str, found: tuple[str, int, str]
) -> None:
    python = short_folder / "python"
    python.write_text(f"#!/bin/sh\n{end}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    batch = suspects(1, 1)
    kept.look("worker", may_start=True)
    assert len(claim_slice(open_lease("worker:q0", None, is_quarantine=True), 1)) == 1
    wait_for(lambda: not kept.is_running, 5, "the child to end")
    kept.look("worker", may_start=False)
    assert not kept.has_child
    run = Run.objects.of_batch(batch.pk).get()
    assert (run.state, run.crashes, run.attempts.get().outcome) == found


@pytest.mark.worker
def test_after_a_child_that_could_not_go_on_the_next_one_waits(
    kept: QuarantineKeeper, monkeypatch: pytest.MonkeyPatch, short_folder: Path
) -> None:
    python = short_folder / "python"
    python.write_text(f"#!/bin/sh\nexit {FAILED}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    suspects(2, 4)
    kept.look("worker", may_start=True)
    assert len(claim_slice(open_lease("worker:q0", None, is_quarantine=True), 2)) == 2
    wait_for(lambda: not kept.is_running, 5, "the child to end")
    kept.look("worker", may_start=True)
    assert not kept.has_child
    assert has_suspects()
