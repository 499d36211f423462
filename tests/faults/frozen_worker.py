"""A worker is frozen (SIGSTOP), loses its rows to others, and later goes on with results that nobody wants."""

import signal
import sqlite3
import time
from collections.abc import Iterator

from django.db import connection

from batches.models import Attempt, Run
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end

from .audit import audit, whole
from .check import Check, Injection
from .scene import Scene, set_scene

FROZEN = 0
FREEZE_TRIES = 50
LOCK_SECONDS = 0.5
PATIENCE_SECONDS = 120.0


def run(
    rig: Rig, size: Size, *, seconds: float = 180.0, lease_seconds: float = 20.0, slots: int = 50, settled: float = 5.0
) -> Iterator[Check]:
    """Yield the checks of a batch that one of two workers sleeps through, for `seconds` at least (row 7).

    The provider answers it meanwhile, so it wakes up with results in its hands. It is never frozen while it has
    SQLite's one write lock: that would stop every other process of the machine, which no fence can help. After it wakes
    up it gets `settled` seconds to hand the results in, and to lose them.
    """
    injection = Injection(f"at 30%: one of two workers frozen for {seconds:g} s (leases of {lease_seconds:g} s)")
    with set_scene(rig, size, slots=slots, lease_seconds=lease_seconds) as scene:
        scene.start()
        scene.wait_for_share(0.3)
        _freeze(scene)
        thaws = time.monotonic() + seconds
        yield scene.ended(injection, "the other worker ended the batch", PATIENCE_SECONDS)
        time.sleep(max(0.0, thaws - time.monotonic()))
        before = _results(scene)
        scene.workers.stop(FROZEN, signal.SIGCONT)
        time.sleep(settled)
        yield _refused(injection, scene, before)
        yield whole(injection, scene.audit())
        yield from _works_on(injection, scene)


def _freeze(scene: Scene) -> None:
    for _ in range(FREEZE_TRIES):
        scene.workers.stop(FROZEN)
        if connection.vendor != "sqlite" or _can_write():
            return
        scene.workers.stop(FROZEN, signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the worker was never seen without the write lock")


def _can_write() -> bool:
    """Return whether somebody can write to SQLite soon."""
    database = sqlite3.connect(connection.settings_dict["NAME"], timeout=LOCK_SECONDS, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    return True


def _results(scene: Scene) -> dict[int, tuple[object, ...]]:
    """Return every row's state, attempt, result and end, by id."""
    rows = Run.objects.of_batch(scene.batch.pk)
    fields = ("pk", "state", "attempt", "output", "latency_ms", "finished_at")
    return {pk: rest for pk, *rest in rows.values_list(*fields)}


def _refused(injection: Injection, scene: Scene, before: dict[int, tuple[object, ...]]) -> Check:
    after = _results(scene)
    changed = sum(1 for pk, result in before.items() if after[pk] != result)
    stale = Attempt.objects.filter(run__batch=scene.batch, outcome="stale").count()
    expected = "it hands in stale results, of which 0 are accepted"
    return injection.expect(expected, f"{stale} stale, {changed} accepted", stale > 0 and changed == 0)


def _works_on(injection: Injection, scene: Scene) -> Iterator[Check]:
    """Yield the checks that the thawed worker takes rows again."""
    batch = scene.work.manager.start(scene.work.batch(scene.batch.agent_version, 200))
    yield injection.at_most("the next batch ended", seconds_to_end(batch, PATIENCE_SECONDS), PATIENCE_SECONDS)
    yield whole(injection, audit(scene.rig, batch))
    workers = Attempt.objects.filter(run__batch=batch).values("worker").distinct().count()
    yield injection.expect("both workers took part in it", workers, workers == 2)
