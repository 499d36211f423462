"""How two batches share a limited model, and what a large batch does to a small one and to single runs."""

import time
from collections.abc import Iterator, Sequence

from batches.models import Batch

from .figure import Figure
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work
from .small_batch import Beside, beside_a_large_batch, cancelled

CALL_SECONDS = 0.5
SHARED_PER_MINUTE = 1_200
SHARED_ROWS = 4_000
SETTLE_SECONDS = 10.0
MEASURE_SECONDS = 30.0
SMALL_PER_MINUTE = 2_400
# A limited model works off so few rows that a tenth is as good as endless.
LIMITED_PART = 10


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures, on two workers and the simulated provider; the large batch has `size.rows` rows."""
    work = Work(rig.folder)
    with rig.workers():
        work.warm_up(work.agent("warm"))
        for weights in ((1, 1), (1, 3)):
            yield _share_figure(work, weights)
        free = Beside("model without limits", "unlimited", size.rows, with_singles=True)
        work.limit("limited", requests_per_minute=SMALL_PER_MINUTE)
        limited = Beside(f"model of {SMALL_PER_MINUTE:,} calls/min", "limited", size.rows // LIMITED_PART)
        for beside in (free, limited):
            yield from beside_a_large_batch(work, beside, CALL_SECONDS)


def _share_figure(work: Work, weights: Sequence[int]) -> Figure:
    model = "shared-" + "-".join(map(str, weights))
    work.limit(model, requests_per_minute=SHARED_PER_MINUTE)
    version = work.agent(model, model=model, seconds=CALL_SECONDS)
    batches = [work.batch(version, SHARED_ROWS, weight=weight) for weight in weights]
    rows = _rows_after_settling(work, batches)
    name = f"rows of the first of two batches, weights {weights[0]} and {weights[1]}"
    aim = f"{weights[0] / sum(weights):.0%} +- 3%"
    if not all(rows):
        return Figure(name, f"{rows[0]:,} and {rows[1]:,} rows in {MEASURE_SECONDS:g} s", aim)
    return Figure(name, f"{rows[0] / sum(rows):.1%} of {sum(rows):,}", aim)


def _rows_after_settling(work: Work, batches: Sequence[Batch]) -> list[int]:
    """Return how many rows of each batch end in the measured time, both having been started together."""
    for batch in batches:
        work.manager.start(batch)
    time.sleep(SETTLE_SECONDS)
    before = [_done(batch) for batch in batches]
    time.sleep(MEASURE_SECONDS)
    rows = [_done(batch) - earlier for batch, earlier in zip(batches, before, strict=True)]
    for batch in batches:
        cancelled(work, batch)
    return rows


def _done(batch: Batch) -> int:
    batch.refresh_from_db()
    return batch.done
