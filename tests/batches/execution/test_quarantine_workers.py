"""Quarantine with real worker processes: a deadly row is found out by children, and takes nobody with it."""

from pathlib import Path

import psutil
import pytest
from django.conf import settings

from batches.manager import BatchManager
from batches.models import Attempt, Batch, Lease, Run
from batches.states import BatchState, RunState
from tests.support.deadly_rows import deaths, environment
from tests.support.factories import make_agent, make_batch
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

MARKER = "kill-me"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


def slow_batch(rows: int, *deadly: int) -> Batch:
    """Return a batch of calls that take a moment, so that all are in flight when one kills the process."""
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": 0.3}}).current_version
    inputs = [{"text": f"row {index} {MARKER if index in deadly else ''}"} for index in range(rows)]
    return make_batch(version=version, rows=inputs)


def has_ended(batch: Batch) -> bool:
    """Whether the batch is completed."""
    return Batch.objects.filter(pk=batch.pk, state=BatchState.COMPLETED).exists()


def test_a_deadly_row_kills_its_worker_once_and_then_only_children(
    worker_env: dict[str, str], short_folder: Path
) -> None:
    folder = short_folder / "deadly"
    env = {**worker_env, **environment(folder, [MARKER], worker_env["PYTHONPATH"])}
    batch = slow_batch(30, 13)
    with Workers(1, env=env, lease_seconds=2) as workers:
        first = workers.pids[0]
        BatchManager(batch.owner).start(batch)
        workers.processes[0].process.wait(20)
        workers.restart(0)
        took = wait_for(lambda: has_ended(batch), 60, "the batch to end")
        assert workers.processes[0].process.poll() is None
    # A worker that starts anew, then four children that each take two seconds to start.
    assert took < 40
    batch.refresh_from_db()
    assert (batch.succeeded, batch.failed) == (29, 1)
    run = Run.objects.of_batch(batch.pk).exclude(state="succeeded").get()
    assert (run.index, run.state, run.error_code) == (13, "failed", "poison")
    dead = [process for process, _ in deaths(folder)]
    assert dead[0] == first
    assert dead.count(first) == 1
    assert workers.pids[0] not in dead
    assert len(dead) == run.crashes == run.attempts.filter(outcome="crashed").count() <= 6
    assert Attempt.objects.filter(run__batch=batch, outcome="succeeded").count() == 29
    assert not Lease.objects.filter(released_at=None).exists()


def suspects(rows: int) -> Batch:
    """Return a running batch of suspects that take long."""
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": 60}}).current_version
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    Run.objects.of_batch(batch.pk).update(crash_slice=2 * rows, crashes=1)
    return batch


def child_at_work(worker: int, batch: Batch) -> psutil.Process:
    """Wait until a child of the worker runs all rows of the batch, and return it."""
    running = Run.objects.of_batch(batch.pk).filter(state=RunState.RUNNING)
    wait_for(lambda: running.count() == batch.total, 20, "the child to take the slice")
    (child,) = psutil.Process(worker).children()
    assert "batches.quarantine" in child.cmdline()
    wait_for(lambda: starts_in_quarantine() == batch.total, 5, "all calls to be in flight")
    return child


def starts_in_quarantine() -> int:
    """Return how many runs have started by the journals of processes in quarantine."""
    journals = Path(settings.ARBORETUM_DATA_DIR).glob("journals/*/*:q*.journal")
    return sum(path.read_bytes().count(b'["s"') for path in journals)


def test_a_worker_that_is_stopped_has_its_child_hand_back(worker_env: dict[str, str]) -> None:
    batch = suspects(2)
    with Workers(1, env=worker_env, grace_seconds=1) as workers:
        child = child_at_work(workers.pids[0], batch)
        workers.terminate(0)
        assert workers.wait(0, 10) == 0
        assert not child.is_running()
    rows = Run.objects.of_batch(batch.pk).values_list("state", "crashes", "crash_slice")
    assert set(rows) == {("pending", 1, 4)}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"handed_back"}
    assert not Lease.objects.filter(released_at=None).exists()


def test_a_child_dies_with_its_worker_and_the_worker_is_not_laid_to_a_lonely_run(worker_env: dict[str, str]) -> None:
    batch = suspects(1)
    with Workers(1, env=worker_env, lease_seconds=2, grace_seconds=0.5) as workers:
        child = child_at_work(workers.pids[0], batch)
        workers.kill(0)
        wait_for(lambda: not child.is_running(), 2, "the child to die")
        workers.restart(0)
        run = Run.objects.of_batch(batch.pk)
        wait_for(lambda: run.get().crashes == 2, 15, "the child to be reaped")
        child_at_work(workers.pids[0], batch)
    assert run.get().state == RunState.PENDING
