"""The provider fails every call for minutes."""

import math
import time
from collections.abc import Iterator, Sequence

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import whole
from .check import Check, Injection
from .scene import Scene, set_scene

OPEN_SECONDS = 10
PROBE_SECONDS = 5
# Samples are a second apart, give or take what asking takes: a window of five may see the probe of the next.
SLACK_CALLS = 1
PATIENCE_SECONDS = 180.0


STATUS_OF = {"server_error": 500, "overloaded": 503}


def run(rig: Rig, size: Size, *, fault: str = "server_error", seconds: int = 300, slots: int = 50) -> Iterator[Check]:
    """Yield the checks of a batch whose provider answers everything with `fault` for `seconds` (row 11).

    The calls are counted each second: the breaker is open when no more than its probes arrive.
    """
    injection = Injection(f"at 20%: the provider fails every call ({STATUS_OF[fault]}) for {seconds} s")
    with set_scene(rig, size, slots=slots) as scene:
        scene.start()
        scene.wait_for_share(0.2)
        counts = _outage(scene, fault, seconds)
        yield from _broken_off(injection, counts)
        scene.batch.refresh_from_db()
        failed = scene.batch.failed
        yield injection.expect("0 rows failed", failed, failed == 0)
        yield scene.ended(injection, "batch ended after the provider was back", PATIENCE_SECONDS)
        yield whole(injection, scene.audit())


def _outage(scene: Scene, fault: str, seconds: int) -> list[int]:
    """Let every call fail; return how many had been received at its begin and after each second."""
    began = time.monotonic()
    scene.server.configure(faults={fault: 1.0})
    counts = []
    for second in range(seconds + 1):
        time.sleep(max(0.0, began + second - time.monotonic()))
        counts.append(scene.server.stats()["received"])
    scene.server.configure(faults={})
    return counts


def _broken_off(injection: Injection, counts: Sequence[int]) -> Iterator[Check]:
    opened = opened_at(counts)
    yield injection.at_most("calls broken off", opened, OPEN_SECONDS)
    later = counts[OPEN_SECONDS:]
    windows = [after - before for before, after in zip(later, later[PROBE_SECONDS:], strict=False)]
    total, most = later[-1] - later[0], math.ceil((len(later) - 1) / PROBE_SECONDS) + SLACK_CALLS
    measured = f"{total} calls after {OPEN_SECONDS} s ({counts[OPEN_SECONDS] - counts[0]} before), at most "
    measured += f"{max(windows, default=0)} in {PROBE_SECONDS} s"
    ok = total <= most and max(windows, default=0) <= 1 + SLACK_CALLS
    yield injection.expect(f"then at most one call in {PROBE_SECONDS} s ({most} in all)", measured, ok)


def opened_at(counts: Sequence[int]) -> float | None:
    """Return the first second after which no window of PROBE_SECONDS has more calls than the probes; None: never."""
    last = None
    for second in range(len(counts) - PROBE_SECONDS):
        if counts[second + PROBE_SECONDS] - counts[second] > 1 + SLACK_CALLS:
            last = second
    if last is None:
        return 0.0
    return float(last + 1) if last + 1 < len(counts) - PROBE_SECONDS else None
