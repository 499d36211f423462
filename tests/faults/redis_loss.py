"""Redis is lost while a batch runs: killed and restarted with or without its data, or emptied."""

import time
from collections.abc import Callable, Iterator, Mapping

from batches.models import Run
from batches.states import TERMINAL_RUN_STATES, RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end
from workers.redis import connection

from .audit import audit, calls, whole
from .check import Check, Injection
from .scene import Scene, set_scene

SINGLES = 3
DOWN_SECONDS = 3.0
RECOVERED_SECONDS = 30.0
# What a page may take while Redis is away.
ANSWER_SECONDS = 5.0
# The ids of single runs, and the seconds that starting the slowest of them took.
Singles = tuple[list[int], float]


def run(rig: Rig, size: Size, *, how: str) -> Iterator[Check]:
    """Yield the checks of a batch half-way through which Redis is lost, and of single runs that start meanwhile."""
    what, lose = HOWS[how]
    injection = Injection(f"at 50%: {what}; {SINGLES} single runs started meanwhile")
    with set_scene(rig, size) as scene:
        scene.start()
        scene.wait_for_share(0.5)
        singles, slowest = lose(rig, scene)
        began = time.monotonic()
        yield injection.at_most("a single run was started", slowest, ANSWER_SECONDS)
        yield injection.at_most("batch ended", seconds_to_end(scene.batch, RECOVERED_SECONDS), RECOVERED_SECONDS)
        yield _singles_ended(injection, singles, began + RECOVERED_SECONDS)
        found = audit(rig, scene.batch)
        yield whole(injection, found)
        yield calls(injection, found, scene.server, singles=SINGLES)
        yield from _next_batch(injection, rig, scene)


def _singles_ended(injection: Injection, singles: list[int], deadline: float) -> Check:
    rows = Run.objects.filter(pk__in=singles)
    while rows.exclude(state__in=TERMINAL_RUN_STATES).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    succeeded = rows.filter(state=RunState.SUCCEEDED).count()
    expected = f"{len(singles)} single runs succeeded within {RECOVERED_SECONDS:g} s"
    return injection.expect(expected, str(succeeded), succeeded == len(singles))


def _next_batch(injection: Injection, rig: Rig, scene: Scene) -> Iterator[Check]:
    """Yield the check that the workers, which were not restarted, still take messages."""
    batch = scene.work.manager.start(scene.work.batch(scene.batch.agent_version, 100))
    yield injection.at_most("the next batch ended", seconds_to_end(batch, RECOVERED_SECONDS), RECOVERED_SECONDS)
    yield whole(injection, audit(rig, batch))


def _restart(rig: Rig, scene: Scene) -> Singles:
    return _down_for_a_while(rig, scene, empty=False)


def _lose_data(rig: Rig, scene: Scene) -> Singles:
    return _down_for_a_while(rig, scene, empty=True)


def _down_for_a_while(rig: Rig, scene: Scene, *, empty: bool) -> Singles:
    rig.kill_valkey()
    back = time.monotonic() + DOWN_SECONDS
    singles = _start_singles(scene)
    time.sleep(max(0.0, back - time.monotonic()))
    rig.start_valkey(empty=empty)
    return singles


def _flush(rig: Rig, scene: Scene) -> Singles:
    singles = _start_singles(scene)
    connection().flushall()
    return singles


def _start_singles(scene: Scene) -> Singles:
    ids: list[int] = []
    slowest = 0.0
    for _ in range(SINGLES):
        began = time.monotonic()
        ids += scene.start_singles(1)
        slowest = max(slowest, time.monotonic() - began)
    return ids, slowest


HOWS: Mapping[str, tuple[str, Callable[[Rig, Scene], Singles]]] = {
    "restart": (f"Valkey killed (-9), back after {DOWN_SECONDS:g} s or more", _restart),
    "empty": (f"Valkey killed (-9), back after {DOWN_SECONDS:g} s or more without its data", _lose_data),
    "flush": ("FLUSHALL", _flush),
}
