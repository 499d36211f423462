"""Whether a row of a large batch costs more than a row of a small one."""

from collections.abc import Iterator

from .figure import Figure
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work
from .throughput import Passage, pass_through

SMALLER = 10


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of a batch of a tenth of `size.rows`, and of one of `size.rows`, rows that take 0 s."""
    work = Work(rig.folder)
    version = work.agent("echo")
    few = size.rows // SMALLER
    with rig.workers() as workers:
        work.warm_up(version)
        small = pass_through(work, version, few, workers.pids)
        large = pass_through(work, version, size.rows, workers.pids)
    yield from _figures(small, few)
    yield from _figures(large, size.rows)
    ratio = (large.cpu / size.rows) / (small.cpu / few)
    yield Figure(f"CPU a run at {size.rows:,} / at {few:,}", f"{ratio:.2f} x", "1.1 x")


def _figures(passage: Passage, rows: int) -> Iterator[Figure]:
    yield Figure(f"workers' CPU a run at {rows:,}", f"{1000 * passage.cpu / rows:.2f} ms")
    yield Figure(f"runs/s at {rows:,}", f"{rows / passage.ran:,.0f} runs/s")
    yield Figure(f"workers' memory (PSS) at {rows:,}", f"{passage.memory:.0f} MB", "256 MB")
