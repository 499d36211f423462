"""All workers are told to stop (SIGTERM), as a deployment does, and started anew."""

import time
from collections.abc import Generator, Iterator

from batches.models import Lease, Run
from batches.states import RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig

from .audit import Audit, calls, whole
from .check import Check, Injection
from .scene import Scene, set_scene

SLOTS = 50
GRACE_SECONDS = 10.0
# What `manage.py up` gives a worker beyond its grace time, to store what it has.
EXTRA_SECONDS = 10.0
LONG_ROWS = 100
LONG_SECONDS = 8.0
SHORT_GRACE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of a batch of short calls, then of one of calls that last longer than the grace time (row 2)."""
    yield from _short_calls(rig, size)
    yield from _long_calls(rig)


def _short_calls(rig: Rig, size: Size) -> Iterator[Check]:
    injection = Injection(f"SIGTERM to both workers amid calls of 0.2 s, grace {GRACE_SECONDS:g} s")
    with set_scene(rig, size, slots=SLOTS, grace_seconds=GRACE_SECONDS) as scene:
        scene.start()
        scene.wait_for_share(0.4)
        yield from _stopped(injection, scene, GRACE_SECONDS)
        found = yield from _resumed(injection, scene)
        yield calls(injection, found, scene.server)
    yield injection.expect("one attempt a row", found.attempts, found.attempts == {"succeeded": found.total})


def _long_calls(rig: Rig) -> Iterator[Check]:
    injection = Injection(f"SIGTERM to both workers amid calls of {LONG_SECONDS:g} s, grace {SHORT_GRACE_SECONDS:g} s")
    rows = LONG_ROWS
    with set_scene(rig, Size(rows, 1), slots=SLOTS, grace_seconds=SHORT_GRACE_SECONDS) as scene:
        scene.server.configure(latency=LONG_SECONDS)
        scene.start()
        time.sleep(SHORT_GRACE_SECONDS)
        in_flight = scene.server.stats()["in_flight"]
        yield from _stopped(injection, scene, SHORT_GRACE_SECONDS + EXTRA_SECONDS)
        found = yield from _resumed(injection, scene)
        stats = scene.server.stats()
    handed_back = found.attempts.get("handed_back", 0)
    measured = f"{handed_back} handed back, {stats['received']} calls, {stats['aborted']} cut off"
    ok = handed_back == in_flight == stats["aborted"] and stats["received"] == rows + handed_back
    yield injection.expect(f"the {in_flight} calls in flight handed back, each called once more", measured, ok)


def _stopped(injection: Injection, scene: Scene, limit: float) -> Iterator[Check]:
    began = time.monotonic()
    for number in range(2):
        scene.workers.terminate(number)
    codes = {scene.workers.wait(number, 60) for number in range(2)}
    seconds = time.monotonic() - began
    yield injection.at_most("both ended", seconds, limit)
    running = Run.objects.of_batch(scene.batch.pk).filter(state=RunState.RUNNING).count()
    leases = Lease.objects.filter(released_at=None).count()
    measured = f"exit codes {sorted(codes)}, {running} rows running, {leases} leases held"
    yield injection.expect("exit code 0, nothing held", measured, (codes, running, leases) == ({0}, 0, 0))


def _resumed(injection: Injection, scene: Scene) -> Generator[Check, None, Audit]:
    for number in range(2):
        scene.workers.restart(number)
    yield scene.ended(injection, "ended after the restart", PATIENCE_SECONDS)
    found = scene.audit()
    yield whole(injection, found)
    return found
