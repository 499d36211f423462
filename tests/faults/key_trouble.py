"""The provider refuses a key altogether, or its quota is used up: no row can be right until somebody has acted."""

from collections.abc import Iterator, Mapping
from typing import Any

from batches.models import Batch
from batches.states import BatchState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.support.waiting import wait_for

from .audit import whole
from .check import Check, Injection
from .pause import no_new_calls
from .scene import Scene, set_scene

PAUSED_SECONDS = 10.0
PATIENCE_SECONDS = 120.0
# What the trouble is called, and how the server is told to make it and to end it.
TROUBLES: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "key": ("the key is refused (401)", {"keys": ["sk-another"]}, {"keys": None}),
    "quota": ("the quota is used up (429 insufficient_quota)", {"faults": {"quota": 1.0}}, {"faults": {}}),
}


def run(rig: Rig, size: Size, *, trouble: str) -> Iterator[Check]:
    """Yield the checks of a batch half-way through which its credential stops working; later it works again."""
    what, begin, end = TROUBLES[trouble]
    injection = Injection(f"at 50%: {what}; mended, resumed")
    with set_scene(rig, size) as scene:
        scene.start()
        scene.wait_for_share(0.5)
        scene.server.configure(**begin)
        paused = _paused(scene)
        yield injection.at_most("batch paused", paused, PAUSED_SECONDS)
        yield no_new_calls(injection, scene)
        yield _kept(injection, scene)
        scene.server.configure(**end)
        if paused is not None:
            scene.work.manager.resume(scene.batch)
        yield scene.ended(injection, "batch ended", PATIENCE_SECONDS)
        yield whole(injection, scene.audit())


def _paused(scene: Scene) -> float | None:
    rows = Batch.objects.filter(pk=scene.batch.pk, state=BatchState.PAUSED)
    try:
        return wait_for(rows.exists, PAUSED_SECONDS, "the pause")
    except AssertionError:
        return None


def _kept(injection: Injection, scene: Scene) -> Check:
    batch = scene.batch
    batch.refresh_from_db()
    ok = not batch.failed and bool(batch.state_reason) and batch.remaining > 0
    measured = f"{batch.failed:,} failed, {batch.remaining:,} left; reason: {batch.state_reason or 'none'}"
    return injection.expect("no row failed, the reason is told", measured, ok)
