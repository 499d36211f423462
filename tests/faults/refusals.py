"""The provider refuses calls (429) and says when to come back."""

from collections.abc import Iterator

from django.db.models import Max

from batches.models import Run
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import Audit, whole
from .check import Check, Injection
from .scene import Scene, set_scene

SHARE = 0.3
PATIENCE_SECONDS = 240.0


def run(rig: Rig, size: Size, *, refused: int = 120, retry_after: float = 7.0, slots: int = 50) -> Iterator[Check]:
    """Yield the checks of a batch of which 30% of the calls are refused, until `refused` are (row 10).

    One refusal stops every call of the key for `retry_after` seconds, so refusing 30% of 10,000 would take hours: a
    round of 100 calls in flight brings about 30 refusals and one wait, so 120 make four such rounds. The other rows
    follow undisturbed, and would show calls that were lost or doubled.
    """
    injection = Injection(f"30% of the calls refused (429, Retry-After {retry_after:g}), {refused} in all")
    with set_scene(rig, size, slots=slots) as scene:
        scene.server.configure(faults={"rate_limited": SHARE}, fault_limit=refused, retry_after=retry_after)
        scene.start()
        yield scene.ended(injection, "batch ended", PATIENCE_SECONDS)
        found = scene.audit()
        yield whole(injection, found)
        yield from _obeyed(injection, scene)
        yield _free_of_charge(injection, scene, found, refused)


def _obeyed(injection: Injection, scene: Scene) -> Iterator[Check]:
    stats = scene.server.stats()
    early, again = stats["early_calls"], stats["early_retries"]
    yield injection.expect("0 calls of the key before Retry-After was over", f"{early}", early == 0)
    yield injection.expect("0 rows called again before it was over", f"{again}", again == 0)


def _free_of_charge(injection: Injection, scene: Scene, found: Audit, refused: int) -> Check:
    told = scene.server.stats()["by_fault"].get("rate_limited", 0)
    tries = Run.objects.of_batch(scene.batch.pk).aggregate(most=Max("tries"))["most"]
    measured = f"{told} refused, {found.calls - found.total} more calls than rows, {tries} tries lost"
    ok = told == refused and found.calls == found.total + told and not tries
    return injection.expect(f"{refused} refused, each called again at no cost of a try", measured, ok)
