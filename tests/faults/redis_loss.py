"""Redis is lost while a batch runs: killed and restarted with or without its data, or emptied.

The model has a limit that binds; one that counts by the minute makes the batch last longer than that.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end
from workers.redis import connection

from .audit import audit, calls, whole
from .check import Check, Injection
from .limits import SceneLimit
from .scene import Scene, set_scene

SINGLES = 3
DOWN_SECONDS = 3.0
RECOVERED_SECONDS = 30.0
# What a page may take while Redis is away.
ANSWER_SECONDS = 5.0
# What of a limit is used at the least (issue 3's figure is 97%).
USED_SHARE = 0.9
# The ids of single runs, and the seconds that starting the slowest of them took.
Singles = tuple[list[int], float]


def run(rig: Rig, size: Size, *, how: str, limit: SceneLimit | None = None) -> Iterator[Check]:
    """Yield the checks of a batch half-way through which Redis is lost, and of single runs that start then (row 3)."""
    what, lose = HOWS[how]
    told = f"; limit {limit}" if limit else ""
    injection = Injection(f"at 50%: {what}; {SINGLES} single runs started meanwhile{told}")
    with set_scene(rig, size, limit=limit) as scene:
        scene.start()
        scene.wait_for_share(0.5)
        singles, slowest = lose(rig, scene)
        began = time.monotonic()
        yield injection.at_most("a single run was started", slowest, ANSWER_SECONDS)
        yield scene.singles_ended(injection, singles, began + RECOVERED_SECONDS, RECOVERED_SECONDS)
        yield scene.ended(injection, "batch ended", RECOVERED_SECONDS + _rest_seconds(scene, limit))
        found = scene.audit(singles=SINGLES)
        yield whole(injection, found)
        yield calls(injection, found, scene.server, singles=SINGLES)
        if limit:
            yield limit.never_broken(injection, scene.server)
        yield from _next_batch(injection, rig, scene)


def _rest_seconds(scene: Scene, limit: SceneLimit | None) -> float:
    """Return what the rows that are left take at USED_SHARE of the limit."""
    if limit is None:
        return 0.0
    return round((scene.batch.total - scene.done()) * 60 / (USED_SHARE * limit.rows_a_minute))


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
