"""The live progress of a batch: a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from batches.models import Batch

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


def duration(seconds: float) -> str:
    """Return seconds as people write them: `45 s`, `1 m 20 s`, `2 h 5 m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m"


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
    """Shows a batch's progress until it is left."""

    def __init__(self, console: Console) -> None:
        """Write to `console`, which knows whether it is a terminal."""
        self._console = console
        self._rate = Rate()
        self._last_line = 0.0
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        """Begin."""
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TextColumn("{task.fields[facts]}", markup=False),
            )
            self._bar = Progress(*columns, console=self._console)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, leaving the last state on the screen."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, batch: Batch) -> None:
        """Show where `batch` stands now."""
        now = time.monotonic()
        text = facts(batch, self._rate.add(batch.done, now))
        if self._bar is not None:
            self._show_bar(self._bar, batch, text)
        elif now - self._last_line >= LINE_SECONDS or not batch.remaining:
            self._last_line = now
            line = f"{batch.done:,}/{batch.total:,} done · {text}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _show_bar(self, bar: Progress, batch: Batch, text: str) -> None:
        if not bar.tasks:
            bar.add_task(str(batch)[:24], total=batch.total, facts="")
        bar.update(bar.tasks[0].id, completed=batch.done, total=batch.total, facts=text)
