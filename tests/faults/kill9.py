"""A worker is killed every few seconds, in turn, and started anew."""

import time
from collections.abc import Iterator, Mapping

from batches.models import Attempt, Batch
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end

from .audit import Audit, audit, whole
from .check import Check, Injection
from .scene import Scene, set_scene

EVERY_SECONDS = 5.0
SLOTS = 20
PATIENCE_SECONDS = 90.0
TAKEN_UP_SECONDS = 30.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch during which a worker is killed `size.repeats` times."""
    injection = Injection(f"kill -9 one of two workers every {EVERY_SECONDS:g} s, {size.repeats} times")
    with set_scene(rig, size, slots=SLOTS) as scene:
        scene.start()
        killed_at = _kill_in_turn(scene, size.repeats)
        ended = seconds_to_end(scene.batch, PATIENCE_SECONDS)
        yield injection.at_most("ended after the last kill", ended, PATIENCE_SECONDS)
        found = audit(rig, scene.batch)
        yield whole(injection, found)
        yield _hit(injection, found, len(killed_at))
        yield _calls(injection, found, scene)
    yield _taken_up(injection, scene.batch, killed_at)


def _kill_in_turn(scene: Scene, times: int) -> dict[int, float]:
    """Kill a worker every EVERY_SECONDS while the batch runs; return when (Unix seconds), by process id."""
    killed_at: dict[int, float] = {}
    next_kill = time.monotonic()
    for turn in range(times):
        next_kill += EVERY_SECONDS
        time.sleep(max(0.0, next_kill - time.monotonic()))
        if scene.done() == scene.batch.total:
            break
        number = turn % 2
        killed_at[scene.workers.pids[number]] = time.time()
        scene.workers.kill(number)
        scene.workers.restart(number)
    return killed_at


def _hit(injection: Injection, found: Audit, kills: int) -> Check:
    crashed = found.attempts.get("crashed", 0)
    expected = f"the kills hit rows, at most {SLOTS} each"
    measured = f"{kills} kills, {crashed} attempts crashed"
    return injection.expect(expected, measured, 0 < crashed <= kills * SLOTS)


def _calls(injection: Injection, found: Audit, scene: Scene) -> Check:
    stats, attempts = scene.server.stats(), sum(found.attempts.values())
    received, crashed = stats["received"], found.attempts.get("crashed", 0)
    measured = f"{received:,} calls ({stats['aborted']} cut off), {attempts:,} attempts, {crashed} of them crashed"
    expected = "calls <= attempts recorded; calls beyond one a row <= attempts that crashed"
    return injection.expect(expected, measured, received <= attempts and 0 <= received - found.total <= crashed)


def _taken_up(injection: Injection, batch: Batch, killed_at: Mapping[int, float]) -> Check:
    """Return the check that every row of a killed worker began its next attempt in time."""
    attempts = Attempt.objects.filter(run__batch=batch)
    crashed = list(attempts.filter(outcome="crashed").values_list("run", "number", "worker"))
    began = {
        (run, number): started.timestamp()
        for run, number, started in attempts.exclude(started_at=None).values_list("run", "number", "started_at")
    }
    # Host, process id and start make a worker's name.
    waits = [
        began[run, number + 1] - killed_at[int(worker.split(":")[-2])]
        for run, number, worker in crashed
        if (run, number + 1) in began
    ]
    never = len(crashed) - len(waits)
    measured = f"{max(waits, default=0):.1f} s at most, {never} never"
    expected = f"rows taken up again within {TAKEN_UP_SECONDS:g} s"
    return injection.expect(expected, measured, not never and max(waits, default=0) <= TAKEN_UP_SECONDS)
