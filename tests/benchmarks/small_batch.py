"""A batch of 100 rows, and 100 single runs, beside a large batch of the same model."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from agents.models import AgentVersion
from batches.models import Attempt, Batch, Run
from batches.runs import start_run
from batches.states import TERMINAL_BATCH_STATES, TERMINAL_RUN_STATES
from tests.support.waiting import wait_for

from .figure import Figure, spread
from .rig.rows import row_text
from .rig.work import Work, seconds_to_end

SMALL_ROWS = 100
REPEATS = 3
SINGLES = 100
SINGLES_APART_SECONDS = 0.02
# Until the large batch has filled the slots.
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0
CANCEL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Beside:
    """Where the small batch runs beside a large one of `rows` rows: the model, and how the figures call it."""

    label: str
    model: str
    rows: int
    with_singles: bool = False


def beside_a_large_batch(work: Work, beside: Beside, call_seconds: float) -> Iterator[Figure]:
    """Yield how long 100 rows take alone and beside the large batch, and how soon single runs start meanwhile."""
    version = work.agent(f"small-{beside.model}", model=beside.model, seconds=call_seconds)
    alone = [_seconds_of_a_small_batch(work, version) for _ in range(REPEATS)]
    large = work.batch(version, beside.rows)
    work.manager.start(large)
    time.sleep(SETTLE_SECONDS)
    during = [_seconds_of_a_small_batch(work, version) for _ in range(REPEATS)]
    waits = _waits_of_singles(work, version) if beside.with_singles else []
    was_there = _is_running(large)
    cancelled(work, large)
    yield Figure(f"{SMALL_ROWS} rows alone, {beside.label}", spread(alone, "s"))
    yield Figure(f"{SMALL_ROWS} rows beside {beside.rows:,}, {beside.label}", spread(during, "s"))
    ratio = f"{median(during) / median(alone):.2f} x"
    yield Figure("beside / alone", ratio if was_there else f"{ratio}, but the large batch had ended", "2.2 x")
    if waits:
        value = f"{median(waits):.2f} s, {quantiles(waits, n=20)[-1]:.2f} s"
        yield Figure(f"start of {SINGLES} single runs meanwhile, p50 and p95", value, "p95 1 s")


def _seconds_of_a_small_batch(work: Work, version: AgentVersion) -> float:
    """Return the time from the start to the end of a small batch, by the database's clock."""
    batch = work.manager.start(work.batch(version, SMALL_ROWS))
    assert seconds_to_end(batch, PATIENCE_SECONDS) is not None, f"the small batch did not end: {batch.done} rows"
    assert batch.started_at is not None
    assert batch.finished_at is not None
    return (batch.finished_at - batch.started_at).total_seconds()


def _waits_of_singles(work: Work, version: AgentVersion) -> list[float]:
    """Return the seconds from the creation of each single run to the start of its call."""
    ids = []
    for index in range(SINGLES):
        ids.append(start_run(work.user, version, {"text": row_text(index)}).pk)
        time.sleep(SINGLES_APART_SECONDS)
    left = Run.objects.filter(pk__in=ids).exclude(state__in=TERMINAL_RUN_STATES)
    wait_for(lambda: not left.exists(), PATIENCE_SECONDS, f"{SINGLES} single runs")
    first_attempts = Attempt.objects.filter(run__in=ids, number=1)
    times = first_attempts.values_list("started_at", "run__created_at")
    return [(started - created).total_seconds() for started, created in times]


def _is_running(batch: Batch) -> bool:
    batch.refresh_from_db()
    return batch.state not in TERMINAL_BATCH_STATES


def cancelled(work: Work, batch: Batch) -> None:
    """Cancel a batch unless it has ended, and wait for its end. Raises AssertionError where that does not come."""
    if _is_running(batch):
        work.manager.cancel(batch)
    assert seconds_to_end(batch, CANCEL_SECONDS) is not None, "the batch did not end after it was cancelled"
