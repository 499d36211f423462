"""Every message is delivered three times."""

from collections.abc import Iterator

from batches.models import Attempt, Run
from batches.states import RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.support.waiting import wait_for

from . import tripled
from .audit import calls, whole
from .check import Check, Injection
from .scene import set_scene

SINGLES = 50
PATIENCE_SECONDS = 120.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch and of single runs whose every message comes three times (row 6)."""
    injection = Injection(f"every message 3 times; a batch and {SINGLES} single runs")
    with set_scene(rig, size, arguments=("--include", tripled.__name__)) as scene:
        scene.start()
        singles = Run.objects.filter(pk__in=scene.start_singles(SINGLES))
        yield scene.ended(injection, "batch ended", PATIENCE_SECONDS)
        succeeded = singles.filter(state=RunState.SUCCEEDED)
        wait_for(lambda: succeeded.count() == SINGLES, PATIENCE_SECONDS, "the single runs")
        found = scene.audit(singles=SINGLES)
        yield whole(injection, found)
        yield calls(injection, found, scene.server, singles=SINGLES)
        yield _tripled(injection)
    attempts = Attempt.objects.filter(run__in=singles).count() + found.recorded
    expected = found.total + SINGLES
    yield injection.expect(f"{expected:,} attempts", f"{attempts:,}", attempts == expected)


def _tripled(injection: Injection) -> Check:
    """Return the check that the fault was there. Copies may still be on their way, so it waits for them."""
    wait_for(lambda: min(tripled.deliveries()) >= 1 + tripled.COPIES, PATIENCE_SECONDS, "the copies")
    counts = tripled.deliveries()
    measured = f"{len(counts)} messages, {min(counts)} to {max(counts)} times"
    return injection.expect("every message came 3 times", measured, len(counts) > SINGLES)
