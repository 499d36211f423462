"""A batch is cancelled half-way."""

from collections.abc import Iterator

from batches.models import Run
from batches.states import RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .check import Check, Injection
from .finished import completions
from .pause import no_new_calls
from .scene import Scene, set_scene

ENDED_SECONDS = 10.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch that is cancelled at 50% (row 14)."""
    injection = Injection("cancelled at 50%")
    with set_scene(rig, size) as scene:
        scene.start()
        scene.wait_for_share(0.5)
        finished = scene.done()
        scene.work.manager.cancel(scene.batch)
        yield no_new_calls(injection, scene)
        yield scene.ended(injection, "ended", ENDED_SECONDS)
        yield _kept(injection, rig, scene, finished)


def _kept(injection: Injection, rig: Rig, scene: Scene, finished: int) -> Check:
    batch = scene.batch
    rows = Run.objects.of_batch(batch.pk)
    succeeded = rows.filter(state=RunState.SUCCEEDED).count()
    cancelled = rows.filter(state=RunState.CANCELLED).count()
    ended = completions(rig.folder, batch.pk)
    measured = f"{succeeded:,} kept, {cancelled:,} cancelled; {batch.state}, {ended} completion(s)"
    counted = (batch.succeeded, batch.cancelled) == (succeeded, cancelled)
    ok = succeeded >= finished and succeeded + cancelled == batch.total and cancelled > 0
    ok = ok and counted and batch.state == "cancelled" and ended == 1
    expected = f"the {finished:,} finished rows kept, all others ended, one completion, counts right"
    return injection.expect(expected, measured, ok)
