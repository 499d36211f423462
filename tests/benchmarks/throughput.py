"""How fast rows go through when the model takes no time: from a file of inputs to a file of results."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from agents.models import AgentVersion
from batches.models import Batch
from batches.results import BatchResults
from tests.support.provider_server import ProviderServer
from workers.redis import connection

from .figure import Figure, spread
from .rig.case import Size
from .rig.meter import MB, Meter
from .rig.rig import Rig
from .rig.work import Work, seconds_to_end, write_csv

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Seconds of each phase of one batch, and the CPU seconds and memory (MB) of the workers while it ran."""

    created: float
    ran: float
    exported: float
    cpu: float
    memory: float

    @property
    def whole(self) -> float:
        """Seconds from file in to file out."""
        return self.created + self.ran + self.exported


def run(rig: Rig, size: Size, *, through_server: bool = False) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` batches of `size.rows` rows on two workers."""
    with ProviderServer(track_contents=False) if through_server else nullcontext() as server, rig.workers() as workers:
        work = Work(rig.folder, server)
        version = work.agent("echo")
        work.warm_up(version)
        passages = [pass_through(work, version, size.rows, workers.pids) for _ in range(size.repeats)]
    aim = "" if through_server else "2,000"
    yield Figure("check and insert", spread([one.created for one in passages], "s"))
    yield Figure("run", spread([one.ran for one in passages], "s"))
    yield Figure("export", spread([one.exported for one in passages], "s"))
    yield Figure("runs/s while running", spread([size.rows / one.ran for one in passages], "runs/s", 0), aim)
    yield Figure("rows/s from file to file", spread([size.rows / one.whole for one in passages], "rows/s", 0))
    yield Figure("workers' CPU a run", spread([1000 * one.cpu / size.rows for one in passages], "ms"), "0.6 ms")
    yield Figure("workers' CPU while running", spread([100 * one.cpu / one.ran for one in passages], "% of a core", 0))
    yield Figure("workers' memory (PSS)", spread([one.memory for one in passages], "MB", 0), "300 MB")
    yield valkey_memory()


def pass_through(
    work: Work, version: AgentVersion, rows: int, pids: list[int], *, patience: float = PATIENCE_SECONDS
) -> Passage:
    """Create a batch from a file, run it, export it; return what each took. Raises AssertionError where it fails."""
    path = write_csv(work.folder / "input.csv", rows)
    begun = time.monotonic()
    batch = work.manager.create(version, path)
    created = time.monotonic()
    with Meter(pids) as meter:
        work.manager.start(batch)
        assert seconds_to_end(batch, patience) is not None, f"the batch did not end: {batch.done} of {rows}"
        ran = time.monotonic()
    exporting = time.monotonic()
    export(batch, work.folder / "results.jsonl")
    exported = time.monotonic() - exporting
    assert batch.succeeded == rows, f"{batch.succeeded} of {rows} rows succeeded"
    return Passage(created - begun, ran - created, exported, meter.cpu_seconds, meter.peak_pss_mb)


def valkey_memory() -> Figure:
    """Return the figure of the most memory that Valkey has used since its start."""
    return Figure("Valkey's highest memory", f"{connection().info('memory')['used_memory_peak'] / MB:.1f} MB", "64 MB")


def export(batch: Batch, target: Path) -> Path:
    """Write the results of the batch to `target` and return it."""
    BatchResults(batch).export(target)
    return target
