"""The provider stalls, cuts its answers off, floods and never ends."""

from collections import Counter
from collections.abc import Iterator, Mapping

from batches.models import Attempt, Batch, Run
from batches.states import RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.meter import Meter
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import seconds_to_end

from .audit import Audit, audit
from .check import Check, Injection
from .scene import Scene, set_scene

SHARE = 0.3
# What one run may take; a call that stalls is cut then.
RUN_SECONDS = 10.0
GROWTH_MB = 100.0
PATIENCE_SECONDS = 240.0
# What an attempt is called that met the fault. Only for a stalled one the run's time is over; others run again.
ERROR_OF: Mapping[str, str] = {
    "stall_midway": "limit_seconds",
    "truncated": "bad_response",
    "huge": "bad_response",
    "endless": "bad_response",
}
RETRY = {"base_seconds": 0.1, "max_seconds": 1.0, "max_tries": 20}


def run(
    rig: Rig, size: Size, *, faulty: int = 60, slots: int = 20, run_seconds: float = RUN_SECONDS
) -> Iterator[Check]:
    """Yield the checks of four batches that share `size.rows` rows, each with one fault in 30% of its calls (row 12).

    At most `faulty` calls of a batch are wrong: the provider server would spend minutes on writing 100 MB each time.
    Memory is compared with what a batch of the same size without faults left.
    """
    each = Size(max(1, size.rows // len(ERROR_OF)), 1)
    agent = {"limits": {"max_seconds": run_seconds}, "retry": RETRY}
    with set_scene(rig, each, slots=slots, agent=agent) as scene:
        scene.start()
        plain = Injection("no fault")
        yield scene.ended(plain, "a batch without faults ended", PATIENCE_SECONDS)
        with Meter(scene.workers.pids) as meter:
            for fault in ERROR_OF:
                yield from _with(fault, scene, faulty)
        growth = meter.growth_mb
    injection = Injection("all of them, one after the other")
    yield injection.expect(f"memory of both workers grew by < {GROWTH_MB:g} MB", f"{growth:.0f} MB", growth < GROWTH_MB)


def _with(fault: str, scene: Scene, faulty: int) -> Iterator[Check]:
    injection = Injection(f"{SHARE:.0%} of the answers: {fault} (at most {faulty} of them)")
    batch = scene.work.batch(scene.batch.agent_version, scene.batch.total)
    scene.server.reset()
    scene.server.configure(faults={fault: SHARE}, fault_limit=faulty)
    scene.work.manager.start(batch)
    yield injection.at_most("ended", seconds_to_end(batch, PATIENCE_SECONDS), PATIENCE_SECONDS)
    stats = scene.server.stats()
    found = audit(scene.rig, batch, stats["received"])
    yield _sorted(injection, batch, ERROR_OF[fault], stats["by_fault"].get(fault, 0))
    yield _rows(injection, batch, found, ERROR_OF[fault])
    if fault != "truncated":
        cut = stats["aborted"]
        yield injection.expect("each such answer cut off", f"{cut} cut off", cut == stats["by_fault"].get(fault, 0))


def _sorted(injection: Injection, batch: Batch, code: str, faulted: int) -> Check:
    """Return the check that every attempt that met the fault says so, and no other."""
    codes = Attempt.objects.filter(run__batch=batch).exclude(error_code=None).values_list("error_code", flat=True)
    counted = dict(Counter(codes))
    expected = f"the {faulted} attempts that met it say {code}"
    return injection.expect(expected, counted, faulted > 0 and counted == {code: faulted})


def _rows(injection: Injection, batch: Batch, found: Audit, code: str) -> Check:
    """Return the check that every row has ended: with its own result, or, where its time was over, saying that."""
    failed = Run.objects.of_batch(batch.pk).filter(state=RunState.FAILED)
    late = failed.filter(error_code=code).count() if code == "limit_seconds" else 0
    ok = found.is_sound and found.right + late == found.total and (late > 0) is (code == "limit_seconds")
    expected = "I, but for the rows whose time was over" if code == "limit_seconds" else "I"
    return injection.expect(expected, f"{found}; {late} out of time", ok)
