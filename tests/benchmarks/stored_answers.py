"""How fast rows end that a stored answer serves, and what the store costs those that it does not serve."""

from collections.abc import Iterator

from batches.models import Run

from .figure import Figure, spread
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work
from .throughput import pass_through


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.rows` rows of 0 s on two workers: without a store, with an empty and a full one."""
    with rig.workers() as workers:
        work = Work(rig.folder)
        plain, storing = work.agent("plain"), work.agent("storing", cache_seconds=86_400)
        work.warm_up(plain)
        none = [pass_through(work, plain, size.rows, workers.pids) for _ in range(size.repeats)]
        empty = pass_through(work, storing, size.rows, workers.pids)
        full = [pass_through(work, storing, size.rows, workers.pids) for _ in range(size.repeats)]
        served = Run.objects.filter(agent_version=storing, is_cached=True).count()
    for name, passages in (("without a store", none), ("an empty store", [empty]), ("a full store", full)):
        yield Figure(f"runs/s, {name}", spread([size.rows / one.ran for one in passages], "runs/s", 0))
        yield Figure(f"CPU a run, {name}", spread([1000 * one.cpu / size.rows for one in passages], "ms"))
    yield Figure("served", f"{served:,} of {size.rows * size.repeats:,}", "all")
