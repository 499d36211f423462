"""PostgreSQL is restarted while a batch runs, and later is away for a while."""

import time
from collections.abc import Iterator

from django.db import connections

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import whole
from .check import Check, Injection
from .scene import WORKERS, Scene, set_scene

SLOTS = 50
PATIENCE_SECONDS = 120.0


def run(rig: Rig, size: Size, *, down_seconds: float = 60.0) -> Iterator[Check]:
    """Yield the checks of a batch during which PostgreSQL is stopped twice, as `pg_ctl stop -m fast` does (row 5)."""
    injection = Injection(f"at 30%: PostgreSQL restarted (fast); at 60%: down for {down_seconds:g} s")
    with set_scene(rig, size, slots=SLOTS) as scene:
        scene.start()
        scene.wait_for_share(0.3)
        _stop(rig, 0.0)
        scene.wait_for_share(0.6)
        _stop(rig, down_seconds)
        yield scene.ended(injection, "batch ended after it was back", PATIENCE_SECONDS)
        found = scene.audit()
        yield whole(injection, found)
        yield _duplicates(injection, scene)
        alive = sum(worker.process.poll() is None for worker in scene.workers.processes)
        yield injection.expect(f"{WORKERS} workers live on", alive, alive == WORKERS)


def _stop(rig: Rig, seconds: float) -> None:
    """Stop the server for `seconds`; connections to it are cut, ours are given up before."""
    assert rig.cluster is not None, "this case is for PostgreSQL"
    connections.close_all()
    rig.cluster.shut_down()
    time.sleep(seconds)
    rig.cluster.start()


def _duplicates(injection: Injection, scene: Scene) -> Check:
    """Return the check of calls made twice: at most those that all slots can have in flight, once for each stop."""
    stats = scene.server.stats()
    beyond, most = stats["received"] - scene.batch.total, 2 * WORKERS * SLOTS
    measured = f"{beyond} beyond one a row, {stats['max_in_flight']} in flight at most, {stats['aborted']} cut off"
    return injection.expect(f"calls beyond one a row <= those in flight ({most})", measured, 0 <= beyond <= most)
