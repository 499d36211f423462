"""What an estimate takes before a run, and how often the 90% intervals of pilots hold."""

import csv
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from batches.estimating.from_prompts import estimate_file
from batches.estimating.from_rows import estimate_batch
from batches.execution.claims import claim_batch
from batches.execution.leases import open_lease
from batches.models import Batch
from batches.states import BatchState
from tests.support.simulated_costs import Lengths, alike, is_held, mixed, pilot_of, simulated_batch

from .figure import Figure
from .rig.case import Size
from .rig.meter import Meter
from .rig.rig import Rig
from .rig.rows import FILLER, row_id
from .rig.work import Work

PILOT = 100
PATIENCE_SECONDS = 60.0
DRAWS = 300
SIGMAS = (0.4, 0.7, 1.0)
SAMPLES = (20, 40, 100)
CLAIMS = 200


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of a file of `size.rows` rows of about 300 characters, and those of simulated pilots."""
    work = Work(rig.folder)
    version = work.agent("echo")
    path = _write_rows(rig.folder / "input.csv", size.rows)
    with Meter([os.getpid()]) as own:
        seconds = _seconds(lambda: estimate_file(work.user, version, path))
    yield Figure("from the prompts alone", f"{seconds:.1f} s ({size.rows / seconds:,.0f} rows/s)", "16,667 rows/s")
    yield Figure("growth of memory (PSS)", f"{own.growth_mb:.0f} MB", "flat")
    batch = work.manager.create(version, path)
    yield from _claims(work)
    with rig.workers():
        work.warm_up(version)
        seconds = _seconds(lambda: work.manager.pilot(batch, PILOT))
        yield Figure("choose the rows of a pilot", f"{seconds:.1f} s ({size.rows / seconds:,.0f} rows/s)")
        seconds = _seconds(lambda: _wait_for_pause(batch))
        yield Figure(f"pilot of {PILOT} rows that take 0 s, until the batch is paused", f"{seconds:.1f} s")
    seconds = _seconds(lambda: estimate_batch(batch))
    yield Figure("estimate from the pilot", f"{seconds:.1f} s ({size.rows / seconds:,.0f} rows/s)")
    for in_proportion in (False, True):
        for lengths in (alike, mixed):
            yield from _coverage(lengths, in_proportion)


def _seconds(do: Callable[[], object]) -> float:
    started = time.monotonic()
    do()
    return time.monotonic() - started


def _wait_for_pause(batch: Batch) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while batch.state != BatchState.PAUSED:
        assert time.monotonic() < deadline, "the pilot did not end"
        time.sleep(0.05)
        batch.refresh_from_db()


def _claims(work: Work) -> Iterator[Figure]:
    """Yield what a claim of nothing takes, of a batch without a pilot and of one with it."""
    for name, pilot in (("without a pilot", None), (f"with a pilot of {PILOT} rows", list(range(PILOT)))):
        batch = work.batch(work.agent(f"claims-{len(name)}"), PILOT)
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING, pilot=pilot)
        yield Figure(f"a claim that finds nothing, {name}", f"{1000 * _claim_seconds(batch):.2f} ms")
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.CANCELLED)


def _claim_seconds(batch: Batch) -> float:
    lease = open_lease("benchmark", batch.pk)
    claim_batch(batch.pk, lease, PILOT)
    return _seconds(lambda: [claim_batch(batch.pk, lease, PILOT) for _ in range(CLAIMS)]) / CLAIMS


def _coverage(lengths: Lengths, in_proportion: bool) -> Iterator[Figure]:
    """Yield for each spread of answers how often the intervals of pilots of 20, 40 and 100 rows hold."""
    answers = "in proportion" if in_proportion else "independent"
    for sigma in SIGMAS:
        held = [_held(lengths, sigma, sample, in_proportion) for sample in SAMPLES]
        name = f"intervals that hold, N = 20, 40, 100: prompts {lengths.__name__}, answers {answers}, sigma {sigma}"
        yield Figure(name, ", ".join(f"{100 * share:.0f}" for share in held) + " %", "88 to 95 %")


def _held(lengths: Lengths, sigma: float, sample: int, in_proportion: bool) -> float:
    draw, held = random.Random(f"{lengths.__name__} {sigma} {sample} {in_proportion}"), 0
    for seed in range(DRAWS):
        rows = simulated_batch(draw, lengths, sigma, in_proportion=in_proportion)
        held += is_held(rows, pilot_of(rows, sample, seed))
    return held / DRAWS


def _write_rows(path: Path, rows: int) -> Path:
    draw = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("custom_id", "text"))
        writer.writerows((row_id(index), f"Ticket {index}:{FILLER * draw.randint(1, 4)}") for index in range(rows))
    return path
