"""How close many runs at a time come to the ideal, when each waits for its model."""

from collections.abc import Iterator
from contextlib import nullcontext

from agents.models import AgentVersion
from tests.support.provider_server import ProviderServer

from .figure import Figure, spread
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work
from .throughput import pass_through

CALL_SECONDS = 2.0
WORKERS = 2
SLOTS = 500


def run(rig: Rig, size: Size, *, through_server: bool = False) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` batches of `size.rows` runs of 2 s, 1,000 in flight on two workers."""
    with (
        ProviderServer(track_contents=False) if through_server else nullcontext() as server,
        rig.workers(WORKERS, slots=SLOTS) as workers,
    ):
        work = Work(rig.folder, server)
        version = _warm_agent(work)
        passages = [pass_through(work, version, size.rows, workers.pids) for _ in range(size.repeats)]
        most = server.stats()["max_in_flight"] if server else None
    ideal = CALL_SECONDS * -(-size.rows // (WORKERS * SLOTS))
    yield Figure(f"run (ideal {ideal:g} s)", spread([one.ran for one in passages], "s"))
    yield Figure("run / ideal", spread([one.ran / ideal for one in passages], "x"), "1.25 x")
    yield Figure("workers' CPU a run", spread([1000 * one.cpu / size.rows for one in passages], "ms"))
    yield Figure("workers' memory (PSS)", spread([one.memory for one in passages], "MB", 0), "300 MB")
    if most is not None:
        yield Figure("most in flight at the server", f"{most:,}")


def _warm_agent(work: Work) -> AgentVersion:
    version = work.agent("slow", seconds=CALL_SECONDS)
    # What is warmed up is the client; its connections stay open at the server for the runs to come.
    work.warm_up(version, 2 * WORKERS * SLOTS)
    if work.server is not None:
        work.server.configure(latency=CALL_SECONDS)
    return version
