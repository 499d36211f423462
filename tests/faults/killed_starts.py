"""Commands that start batches are killed right after their COMMIT, before they could tell any worker."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime

from batches.models import Batch
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.support.worker_harness import ROOT

from . import killed_starter
from .check import Check, Injection
from .many_batches import ended, started
from .scene import set_scene


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
        yield started(injection, {batch: started_at(batch) for batch in batches})
        yield from ended(injection, scene, batches)


def started_at(batch: Batch) -> datetime:
    """Return when a batch was started."""
    batch.refresh_from_db()
    assert batch.started_at is not None, f"batch {batch.pk} was not started"
    return batch.started_at


def _start_and_die(rig: Rig, batch: Batch) -> bool:
    command = [sys.executable, "-m", killed_starter.__name__, str(batch.pk)]
    env = {**rig.worker_env(), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == -signal.SIGKILL
