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


def run(
    rig: Rig, size: Size, *, through_server: bool = False, slots: int = 500, aim: str = "1.25 x"
) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` batches of `size.rows` runs of 2 s, `slots` in flight in each of two workers.

    `aim` is what the project aims at for the time a batch ran, as a multiple of the ideal.
    """
    with (
        ProviderServer(track_contents=False) if through_server else nullcontext() as server,
        rig.workers(WORKERS, slots=slots) as workers,
    ):
        work = Work(rig.folder, server)
        version = warm_agent(work, WORKERS * slots)
        passages = [pass_through(work, version, size.rows, workers.pids) for _ in range(size.repeats)]
        most = server.stats()["max_in_flight"] if server else None
    ideal = CALL_SECONDS * -(-size.rows // (WORKERS * slots))
    yield Figure(f"run (ideal {ideal:g} s)", spread([one.ran for one in passages], "s"))
    yield Figure("run / ideal", spread([one.ran / ideal for one in passages], "x"), aim)
    yield Figure("file to file / ideal", spread([one.whole / ideal for one in passages], "x"), aim)
    yield Figure("workers' CPU a run", spread([1000 * one.cpu / size.rows for one in passages], "ms"))
    yield Figure("workers' memory (PSS)", spread([one.memory for one in passages], "MB", 0), "300 MB")
    if most is not None:
        yield Figure("most in flight at the server", f"{most:,}")


def warm_agent(work: Work, in_flight: int) -> AgentVersion:
    """Return an agent whose calls take 2 s, after a batch of it that warmed up for `in_flight` calls at a time."""
    version = work.agent("slow", seconds=CALL_SECONDS)
    # What is warmed up is the client; its connections stay open at the server for the runs to come.
    work.warm_up(version, 2 * in_flight)
    if work.server is not None:
        work.server.configure(latency=CALL_SECONDS)
    return version
