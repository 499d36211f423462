"""The process that leads maintenance is killed again and again; then two lead at once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from batches.execution.clock import now_plus
from batches.execution.leadership import LEADERSHIP_SECONDS
from batches.execution.maintenance import sweep
from batches.models import Leadership
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.support.waiting import wait_for

from .audit import whole
from .check import Check, Injection
from .killing import pid_of
from .scene import Scene, lasting, set_scene

NAME = "maintenance"
REPLACED_SECONDS = 10.0
KILL_SECONDS = 12.0
PATIENCE_SECONDS = 180.0
RIVALS = ("rival:0:0", "rival:0:1")


def run(rig: Rig, size: Size, *, slots: int = 50, lease_seconds: float = 20.0) -> Iterator[Check]:
    """Yield the checks of a batch whose leaders are killed, and which then has too many (row 9, without cron).

    Two rivals in this process take the leadership from each other and from the workers, and sweep at once, for longer
    than a lease: the rows of a worker that is killed meanwhile are there for all to reap.
    """
    injection = Injection(f"the maintenance leader killed {size.repeats} times; two leaders forced")
    forced = 1.5 * lease_seconds
    call_seconds = lasting(KILL_SECONDS * size.repeats + forced, size, slots)
    with set_scene(rig, size, slots=slots, call_seconds=call_seconds, lease_seconds=lease_seconds) as scene:
        scene.start()
        waits = [_kill_leader(scene) for _ in range(size.repeats)]
        longest = max(waits) if waits else None
        yield injection.at_most("another process led", longest, REPLACED_SECONDS)
        yield _forced(injection, scene, forced)
        yield scene.ended(injection, "batch ended", PATIENCE_SECONDS)
        yield whole(injection, scene.audit())


def _kill_leader(scene: Scene) -> float:
    """Kill the leader; return the seconds until the other worker leads. The killed one is started anew."""
    wait_for(lambda: _leader(scene) is not None, REPLACED_SECONDS, "a leader")
    number = _leader(scene)
    assert number is not None
    scene.workers.kill(number)
    try:
        return wait_for(lambda: _leader(scene) not in (None, number), 3 * REPLACED_SECONDS, "another leader")
    finally:
        scene.workers.restart(number)


def _leader(scene: Scene) -> int | None:
    """Return the number of the worker that leads; None where none does."""
    holder = Leadership.objects.filter(name=NAME).values_list("holder", flat=True).first()
    pids = scene.workers.pids
    return pids.index(pid_of(holder)) if holder and pid_of(holder) in pids else None


def _forced(injection: Injection, scene: Scene, seconds: float) -> Check:
    stop = threading.Event()
    with ThreadPoolExecutor(len(RIVALS)) as threads:
        rivals = [threads.submit(_rule, name, stop) for name in RIVALS]
        scene.workers.kill(0)
        scene.workers.restart(0)
        stop.wait(seconds)
        stop.set()
        sweeps = [rival.result() for rival in rivals]
    expected = f"both rivals swept through the {seconds:g} s"
    return injection.expect(expected, f"{sweeps[0]} and {sweeps[1]} sweeps", min(sweeps) > 1)


def _rule(name: str, stop: threading.Event) -> int:
    """Take the leadership, whoever has it, and sweep, until told to stop; return how often."""
    sweeps = 0
    try:
        while not stop.is_set():
            Leadership.objects.filter(name=NAME).update(holder=name, expires_at=now_plus(LEADERSHIP_SECONDS))
            sweep(name)
            sweeps += 1
            time.sleep(0.1)
    finally:
        connections.close_all()
    return sweeps
