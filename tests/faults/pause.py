"""A batch is paused half-way and resumed later."""

import time
from collections.abc import Iterator

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import calls, whole
from .check import Check, Injection
from .scene import Scene, set_scene

SETTLED_SECONDS = 5.0
WATCHED_SECONDS = 3.0
PATIENCE_SECONDS = 120.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch that is paused at 50% and resumed (row 14)."""
    injection = Injection("paused at 50%, resumed later")
    with set_scene(rig, size) as scene:
        scene.start()
        scene.wait_for_share(0.5)
        scene.work.manager.pause(scene.batch)
        yield no_new_calls(injection, scene)
        done = scene.done()
        yield injection.expect("it was paused before its end", f"{done:,} rows done", done < scene.batch.total)
        scene.work.manager.resume(scene.batch)
        yield scene.ended(injection, "ended", PATIENCE_SECONDS)
        found = scene.audit()
        yield whole(injection, found)
        yield calls(injection, found, scene.server)


def no_new_calls(injection: Injection, scene: Scene) -> Check:
    """Return the check that the provider hears nothing any more, from SETTLED_SECONDS on."""
    before = scene.server.stats()["received"]
    time.sleep(SETTLED_SECONDS)
    settled = scene.server.stats()["received"]
    time.sleep(WATCHED_SECONDS)
    later = scene.server.stats()["received"]
    expected = f"0 new calls after {SETTLED_SECONDS:g} s"
    measured = f"{later - settled} ({settled - before} in the first {SETTLED_SECONDS:g} s)"
    return injection.expect(expected, measured, later == settled)
