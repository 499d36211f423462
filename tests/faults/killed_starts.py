"""Commands that start batches are killed right after their COMMIT, before they could tell any worker."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from django.db.models import Min

from batches.models import Batch, Run
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end
from tests.support.worker_harness import ROOT

from . import killed_starter
from .audit import audit
from .check import Check, Injection
from .scene import Scene, set_scene

STARTED_SECONDS = 10.0
PATIENCE_SECONDS = 120.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of `size.repeats` batches that share `size.rows` rows, each started by a process that dies.

    Row 8 of the table, with the command's process in place of the web's.
    """
    times = size.repeats
    injection = Injection(f"{times} commands killed (-9) right after the COMMIT that starts a batch")
    with set_scene(rig, Size(max(1, size.rows // times), 1), call_seconds=0.0) as scene:
        version, rows = scene.batch.agent_version, scene.batch.total
        batches = [scene.batch, *(scene.work.batch(version, rows) for _ in range(times - 1))]
        killed = sum(_start_and_die(rig, batch) for batch in batches)
        yield injection.expect(f"{times} processes killed", killed, killed == times)
        yield _started(injection, batches)
        yield from _ended(injection, scene, batches)


def _start_and_die(rig: Rig, batch: Batch) -> bool:
    command = [sys.executable, "-m", killed_starter.__name__, str(batch.pk)]
    env = {**rig.worker_env(), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == -signal.SIGKILL


def _started(injection: Injection, batches: list[Batch]) -> Check:
    """Return the check of the seconds from each batch's start to that of its first row, by the database's clock."""
    deadline = time.monotonic() + STARTED_SECONDS
    waits = [_seconds_to_start(batch, deadline) for batch in batches]
    soon = [wait for wait in waits if wait is not None and wait <= STARTED_SECONDS]
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    measured = f"{len(soon)} of {len(batches)}, {longest:.1f} s at most"
    expected = f"{len(batches)} of {len(batches)} batches start within {STARTED_SECONDS:g} s"
    return injection.expect(expected, measured, len(soon) == len(batches))


def _seconds_to_start(batch: Batch, deadline: float) -> float | None:
    """Return how long the first row waited; None where none has begun by `deadline` (monotonic)."""
    while True:
        batch.refresh_from_db()
        first = Run.objects.of_batch(batch.pk).aggregate(first=Min("started_at"))["first"]
        if first is not None and batch.started_at is not None:
            seconds: float = (first - batch.started_at).total_seconds()
            return seconds
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def _ended(injection: Injection, scene: Scene, batches: list[Batch]) -> Iterator[Check]:
    ended = [seconds_to_end(batch, PATIENCE_SECONDS) for batch in batches]
    found = [audit(scene.rig, batch) for batch in batches]
    whole = sum(1 for one in found if one.is_whole)
    right, total = sum(one.right for one in found), sum(one.total for one in found)
    recorded, received = sum(one.recorded for one in found), scene.server.stats()["received"]
    measured = f"{whole} batches, {right:,} rows right; {received:,} calls, {recorded:,} attempts"
    ok = whole == len(batches) and None not in ended and total == received <= recorded
    yield injection.expect(f"I: {len(batches)} batches whole, {total:,} rows right and calls", measured, ok)
