"""A million rows: whether they all pass, how fast, and whether memory stays flat."""

import csv
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from batches.models import Batch

from .figure import Figure
from .rig.case import Size
from .rig.meter import Meter
from .rig.rig import Rig
from .rig.rows import row_id
from .rig.work import Work, seconds_to_end
from .throughput import export, valkey_memory

T = TypeVar("T")

PATIENCE_SECONDS = 1_500.0
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of one batch of `size.rows` short rows that take 0 s on the simulated provider."""
    work = Work(rig.folder)
    version = work.agent("echo")
    path = _write_short_rows(rig.folder / "input.csv", size.rows)
    with rig.workers() as workers:
        work.warm_up(version)
        with Meter([os.getpid()]) as own:
            created, batch = _timed(lambda: work.manager.create(version, path))
        yield Figure("check and insert", f"{created:.0f} s ({size.rows / created:,.0f} rows/s)")
        yield Figure("growth of the inserting process (PSS)", f"{own.growth_mb:.0f} MB")
        with Meter(workers.pids) as meter:
            ran, _ = _timed(lambda: _run_to_the_end(work, batch))
        yield from _while_running(meter, batch, ran)
        with Meter([os.getpid()]) as own:
            exported, _ = _timed(lambda: export(batch, rig.folder / "results.jsonl"))
    yield Figure("export", f"{exported:.0f} s")
    yield Figure("growth of the exporting process (PSS)", f"{own.growth_mb:.0f} MB")
    yield Figure("rows/s from file to file", f"{size.rows / (created + ran + exported):,.0f} rows/s")


def _timed(do: Callable[[], T]) -> tuple[float, T]:
    started = time.monotonic()
    result = do()
    return time.monotonic() - started, result


def _run_to_the_end(work: Work, batch: Batch) -> None:
    work.manager.start(batch)
    assert seconds_to_end(batch, PATIENCE_SECONDS) is not None, f"the batch did not end: {batch.done} of {batch.total}"


def _while_running(meter: Meter, batch: Batch, ran: float) -> Iterator[Figure]:
    yield Figure("succeeded", f"{batch.succeeded:,} of {batch.total:,}", f"{batch.total:,}")
    yield Figure("run", f"{ran:.0f} s")
    yield Figure("runs/s while running", f"{batch.total / ran:,.0f} runs/s", "2,000")
    yield Figure("workers' CPU a run", f"{1000 * meter.cpu_seconds / batch.total:.2f} ms", "0.6 ms")
    course = ", ".join(f"{meter.pss_mb_at(share):.0f}" for share in SHARES)
    yield Figure("workers' memory (PSS) at 0, 25, 50, 75, 100% of the time", f"{course} MB", "flat")
    yield Figure("workers' highest memory (PSS)", f"{meter.peak_pss_mb:.0f} MB", "256 MB")
    yield valkey_memory()


def _write_short_rows(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("custom_id", "text"))
        writer.writerows((row_id(index), f"row {index}") for index in range(rows))
    return path
