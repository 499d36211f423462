"""The live progress of a batch: a line with a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console

from batches.models import Batch
from credentials.management.colours import is_utf8, wants_colour

from .progress_line import ProgressState, duration, progress_line
from .terminal_line import TerminalLine, draws_on

RATE_WINDOW_SECONDS = 10.0
LINE_SECONDS = 5.0


class Rate:
    """Rows per second over the last seconds."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._points: deque[tuple[float, int]] = deque()

    def add(self, done: int, now: float) -> float:
        """Note that `done` rows have ended at `now` (seconds) and return the rate."""
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > RATE_WINDOW_SECONDS:
            self._points.popleft()
        (start, before), (end, after) = self._points[0], self._points[-1]
        return max(0.0, (after - before) / (end - start)) if end > start else 0.0


def facts(batch: Batch, rate: float) -> str:
    """Return where a batch stands: rate, time left, failures, cost."""
    parts = [f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.1f} rows/s"]
    if rate and batch.remaining:
        parts.append(f"{duration(batch.remaining / rate)} left")
    parts.append(f"{batch.failed:,} failed")
    parts.append(f"${batch.cost:,.4f}")
    if batch.state not in ("running", "completed", "finalizing"):
        parts.append(batch.state)
    return " · ".join(parts)


class ProgressDisplay:
    """Shows a batch's progress until it is left: one line that is drawn again on a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        """Write to the file of `console`."""
        self._console = console
        self._rate = Rate()
        self._last_line = 0.0
        self._line = TerminalLine(console.file) if draws_on(console.file) else None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, leaving the last state on the screen."""
        if self._line is not None:
            self._line.leave()

    def show(self, batch: Batch) -> None:
        """Show where `batch` stands now."""
        now = time.monotonic()
        rate = self._rate.add(batch.done, now)
        if self._line is not None:
            state = ProgressState(batch, rate, is_utf8(self._console.file), wants_colour(self._console.file))
            self._line.draw(lambda width: progress_line(state, width))
        elif now - self._last_line >= LINE_SECONDS or not batch.remaining:
            self._last_line = now
            self._print(f"{batch.done:,}/{batch.total:,} done · {facts(batch, rate)}")

    def say(self, text: str) -> None:
        """Print a remark, above the progress where that is drawn again."""
        if self._line is not None:
            self._line.clear()
        self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
