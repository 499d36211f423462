"""How far a batch is: derived from its row alone."""

from dataclasses import dataclass
from datetime import datetime

from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES, RunState, Tone


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the progress bar: `start` and `width` in thousandths of the bar."""

    label: str
    state: str
    tone: Tone
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A batch's progress. Times are in seconds; the rate is rows a second over the time since it started."""

    percent: int
    segments: list[Segment]
    elapsed: float | None
    rate: float | None
    remaining_seconds: float | None
    is_over: bool

    @property
    def rate_per_minute(self) -> float | None:
        """Rows a minute."""
        return None if self.rate is None else self.rate * 60


def progress_of(batch: Batch, now: datetime) -> Progress:
    """Return how far `batch` is at the moment `now`."""
    is_over = batch.state in TERMINAL_BATCH_STATES
    elapsed = rate = remaining = None
    if batch.started_at:
        elapsed = max(0.0, ((batch.finished_at or now) - batch.started_at).total_seconds())
        rate = batch.done / elapsed if elapsed and batch.done else None
        remaining = batch.remaining / rate if rate and not is_over else None
    # Never 100 before the end: 9,999 of 10,000 are 99.
    percent = batch.done * 100 // batch.total if batch.total else (100 if is_over else 0)
    return Progress(percent, _segments(batch), elapsed, rate, remaining, is_over)


def _segments(batch: Batch) -> list[Segment]:
    counts = {
        RunState.SUCCEEDED: batch.succeeded,
        RunState.FAILED: batch.failed,
        RunState.CANCELLED: batch.cancelled,
        RunState.EXPIRED: batch.expired,
    }
    segments, start = [], 0.0
    for state, count in counts.items():
        width = 1000 * count / batch.total if batch.total else 0.0
        segments.append(Segment(state.label.lower(), state.value, state.tone, count, start, width))
        start += width
    return segments
