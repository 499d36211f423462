"""A batch's progress in so many columns: the bar shrinks first, then facts go, the least important ones first."""

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from batches.models import Batch
from batches.states import BatchState
from credentials.management.colours import GREEN, RED, TONES, painted
from credentials.management.output import one_line

LONGEST_BAR, SHORTEST_BAR = 40, 5
LONGEST_NAME = 24
_USUAL = (BatchState.RUNNING, BatchState.COMPLETED, BatchState.FINALIZING)


@dataclass(frozen=True, slots=True)
class ProgressState:
    """What is shown: the batch, rows per second, and what the terminal can show."""

    batch: Batch
    rate: float
    utf8: bool = True
    coloured: bool = False


def duration(seconds: float) -> str:
    """Return seconds as people write them: `45 s`, `1 m 20 s`, `2 h 5 m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m"


def progress_line(state: ProgressState, width: int) -> str:
    """Return the line in at most `width` columns (colours take none): name, bar, count, facts."""
    separator = " · " if state.utf8 else ", "
    count = f"{state.batch.done:,}/{state.batch.total:,}"
    if cell_len(count) > width:
        count = f"{_share(state.batch):.0%}"
    found = _facts(state)
    kept: list[str] = []
    for fact in sorted(found, key=lambda name: _IMPORTANCE.index(name)):
        trial = separator.join([count, *(found[name] for name in found if name in (*kept, fact))])
        if cell_len(trial) + SHORTEST_BAR + 1 > width:
            break
        kept.append(fact)
    facts = separator.join([count, *(found[name] for name in found if name in kept)])
    name = _name(state)
    room = width - cell_len(facts) - 1
    shown = f"{name} " if len(kept) == len(found) and room - cell_len(name) - 1 >= 2 * SHORTEST_BAR else ""
    bar = min(LONGEST_BAR, room - cell_len(shown))
    return f"{shown}{_bar(state, bar)} {facts}" if bar >= SHORTEST_BAR else facts


# What a person watching needs most comes first.
_IMPORTANCE = ("state", "failed", "left", "cost", "rate")


def _facts(state: ProgressState) -> dict[str, str]:
    """Return the facts in the order in which they are shown."""
    batch, rate = state.batch, state.rate
    facts = {"rate": f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.1f} rows/s"}
    if rate and batch.remaining:
        facts["left"] = f"{duration(batch.remaining / rate)} left"
    facts |= {"failed": f"{batch.failed:,} failed", "cost": f"${batch.cost:,.4f}"}
    if batch.state not in _USUAL:
        facts["state"] = str(batch.state)
    return facts


def _name(state: ProgressState) -> str:
    name = one_line(str(state.batch))
    if not state.utf8:
        name = name.encode("ascii", "replace").decode()
    return set_cell_size(name, LONGEST_NAME).rstrip() if cell_len(name) > LONGEST_NAME else name


def _share(batch: Batch) -> float:
    return min(1.0, batch.done / batch.total) if batch.total else 0.0


def _bar(state: ProgressState, width: int) -> str:
    """Return the bar: what succeeded, what did not, what is left."""
    batch = state.batch
    done = int(_share(batch) * width)
    bad = min(done, -(-(batch.done - batch.succeeded) * width // batch.total)) if batch.total else 0
    full, empty = ("━", "─") if state.utf8 else ("#", "-")
    good, failed, left = full * (done - bad), full * bad, empty * (width - done)
    if not state.coloured:
        return good + failed + left
    return painted(good, GREEN) + painted(failed, RED) + painted(left, TONES["muted"])
