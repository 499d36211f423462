"""10,000 rows through real workers, nothing broken: every row gets its own result."""

from collections.abc import Iterator

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import calls, whole
from .check import Check, Injection
from .scene import set_scene

PATIENCE_SECONDS = 90.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch of `size.rows` rows that nobody disturbs."""
    injection = Injection("nothing")
    with set_scene(rig, size, slots=200, call_seconds=0.0) as scene:
        scene.start()
        yield scene.ended(injection, "ended", PATIENCE_SECONDS)
        found = scene.audit()
        yield whole(injection, found)
        yield calls(injection, found, scene.server)
    only_successes = found.attempts == {"succeeded": found.total}
    yield injection.expect("one attempt a row", found.attempts, only_successes)
