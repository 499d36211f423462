"""Rows that kill the process that runs them, among many that do not."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from batches.models import Run
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import row_text
from tests.support.deadly_rows import deaths, environment
from tests.support.worker_harness import Workers

from .audit import Audit
from .check import Check, Injection
from .scene import Scene, set_scene

POISONED = 3
# 1,000 rows in hand, then 500, 250 and so on down to 1.
MOST_RUNS = 12
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 300.0


def run(rig: Rig, size: Size, *, slots: int = 50, lease_seconds: float = 20.0) -> Iterator[Check]:
    """Yield the checks of a batch with three rows that kill their process; somebody starts dead workers anew (row 13).

    The rows stand a quarter, a half and three quarters into the file.
    """
    indexes = [size.rows * (place + 1) // (POISONED + 1) for place in range(POISONED)]
    marks = [mark_of(index) for index in indexes]
    injection = Injection(f"{POISONED} rows that kill their process, among {size.rows:,}")
    folder = rig.folder / "deadly"
    env = environment(folder, marks, rig.worker_env()["PYTHONPATH"])
    # The warm-up's batch has rows of the same names.
    with set_scene(rig, size, slots=slots, lease_seconds=lease_seconds, env=env, warm_rows=min(100, *indexes)) as scene:
        with _restarted(scene.workers) as restarts:
            scene.start()
            yield scene.ended(injection, "batch ended", PATIENCE_SECONDS)
        found = scene.audit()
        yield _others(injection, found)
        yield _poisoned(injection, scene, indexes)
        runs = Counter(mark for _, mark in deaths(folder))
        ok = set(runs) == set(marks) and max(runs.values()) <= MOST_RUNS
        yield injection.expect(f"each of them run 1 to {MOST_RUNS} times", [runs[mark] for mark in marks], ok)
        measured = f"{len(restarts)} workers died, {sum(runs.values())} processes in all"
        yield injection.expect("workers die of them alone", measured, len(restarts) <= sum(runs.values()))


def mark_of(index: int) -> str:
    """Return what no prompt but that of row `index` holds."""
    return row_text(index).partition(":")[0] + ":"


@contextmanager
def _restarted(workers: Workers) -> Iterator[list[int]]:
    """Start dead workers anew, as systemd or Kubernetes would, for the length of a block; give their numbers."""
    restarts: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            for number, worker in enumerate(workers.processes):
                if worker.process.poll() is not None:
                    restarts.append(number)
                    # Nobody waits until it is ready: it may die of the next row at once.
                    worker.end()
                    worker.start()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield restarts
    finally:
        stop.set()
        thread.join()


def _others(injection: Injection, found: Audit) -> Check:
    expected = f"I for the other {found.total - POISONED:,} rows"
    return injection.expect(expected, found, found.is_sound and found.right == found.total - POISONED)


def _poisoned(injection: Injection, scene: Scene, indexes: list[int]) -> Check:
    failed = Run.objects.of_batch(scene.batch.pk).filter(state="failed")
    codes = dict(failed.order_by("index").values_list("index", "error_code"))
    expected = f"rows {', '.join(map(str, indexes))} failed as poison"
    measured = ", ".join(f"{index}: {code}" for index, code in codes.items())[:200]
    return injection.expect(expected, f"{len(codes)} failed ({measured})", codes == dict.fromkeys(indexes, "poison"))
