"""A worker is killed every few seconds, in turn, and started anew."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import Audit, whole
from .check import Check, Injection
from .killing import taken_up
from .scene import WORKERS, Scene, lasting, set_scene

PATIENCE_SECONDS = 180.0


def run(rig: Rig, size: Size, *, every: float = 5.0, slots: int = 50, lease_seconds: float = 20.0) -> Iterator[Check]:
    """Yield the checks of a batch during which a worker is killed `size.repeats` times, each `every` seconds (row 1).

    With all slots in use the batch would end with the last kill; since a worker is away for a part of the time, it
    ends after it. Calls last from half to one and a half times as long as that takes, so that they do not end together:
    a kill then hits some in flight and some answered and not committed yet, as it would in real life.
    """
    injection = Injection(f"kill -9 one of two workers every {every:g} s, {size.repeats} times")
    call_seconds = lasting(every * size.repeats, size, slots)
    with set_scene(rig, size, slots=slots, call_seconds=call_seconds, lease_seconds=lease_seconds) as scene:
        scene.server.configure(latency=call_seconds / 2, latency_spread=call_seconds)
        scene.start()
        killed_at = _kill_in_turn(scene, size.repeats, every)
        yield injection.expect(f"{size.repeats} kills while it ran", len(killed_at), len(killed_at) == size.repeats)
        yield scene.ended(injection, "ended after the last kill", PATIENCE_SECONDS)
        found = scene.audit()
        yield whole(injection, found)
        yield from _calls(injection, found, scene.server.stats())
    yield taken_up(injection, scene.batch, killed_at)


def _kill_in_turn(scene: Scene, times: int, every: float) -> dict[int, float]:
    """Kill a worker every few seconds while the batch runs; return when (Unix seconds), by process id."""
    killed_at: dict[int, float] = {}
    next_kill = time.monotonic()
    for turn in range(times):
        next_kill += every
        time.sleep(max(0.0, next_kill - time.monotonic()))
        if scene.done() == scene.batch.total:
            break
        number = turn % WORKERS
        killed_at[scene.workers.pids[number]] = time.time()
        scene.workers.kill(number)
        scene.workers.restart(number)
    return killed_at


def _calls(injection: Injection, found: Audit, stats: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the checks of how many calls were made again: those that were in flight, and no other.

    The provider sees a call cut off where it has not answered yet, and where the connection is reset on its answer.
    """
    beyond, crashed = found.calls - found.total, found.attempts.get("crashed", 0)
    measured = f"{crashed} attempts crashed, {beyond} calls beyond one a row"
    expected = "the kills hit rows; calls beyond one a row <= attempts that crashed"
    yield injection.expect(expected, measured, crashed > 0 and 0 <= beyond <= crashed)
    unanswered, unread = stats["aborted"], stats["unread"]
    expected = "calls beyond one a row <= calls that the provider saw cut off"
    measured = f"{beyond} beyond; cut off: {unanswered} before the answer, {unread} with the answer unread"
    yield injection.expect(expected, measured, beyond <= unanswered + unread)
