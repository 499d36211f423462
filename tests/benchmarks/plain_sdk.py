"""Arboretum with everything stored beside asyncio.gather over the plain SDK with nothing stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.support.provider_server import ProviderServer

from . import plain_client
from .figure import Figure, spread
from .in_flight import CALL_SECONDS, WORKERS, warm_agent
from .rig.case import Size
from .rig.helper import Helper
from .rig.rig import Rig
from .rig.work import Work
from .throughput import Passage, pass_through

SLOTS = 500
IN_FLIGHT = WORKERS * SLOTS


@dataclass(frozen=True, slots=True)
class Gathered:
    """Seconds and CPU seconds of one gather."""

    wall: float
    cpu: float


class PlainClient(Helper):
    """The other program, in a process of its own: `with PlainClient(base_url) as plain: plain.gather(2_000)`."""

    def __init__(self, base_url: str, *, in_flight: int = IN_FLIGHT) -> None:
        """Start it; it makes at most `in_flight` calls at a time."""
        super().__init__(plain_client.__name__, base_url, str(in_flight))

    def gather(self, calls: int) -> Gathered:
        """Make the calls, and return what they took. Raises RuntimeError where the process fails."""
        return Gathered(**self.ask(calls))


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.rows` calls of 2 s, 1,000 in flight, done in turn by both, `size.repeats` times."""
    with (
        ProviderServer(track_contents=False) as server,
        rig.workers(WORKERS, slots=SLOTS) as workers,
        PlainClient(server.base_url) as plain,
    ):
        work = Work(rig.folder, server)
        plain.gather(2 * IN_FLIGHT)
        version = warm_agent(work, IN_FLIGHT)
        gathered, passages = [], []
        for _ in range(size.repeats):
            gathered.append(plain.gather(size.rows))
            passages.append(pass_through(work, version, size.rows, workers.pids))
    yield from _figures(gathered, passages, size.rows)


def _figures(gathered: Sequence[Gathered], passages: Sequence[Passage], rows: int) -> Iterator[Figure]:
    ideal = CALL_SECONDS * -(-rows // IN_FLIGHT)
    yield Figure(f"plain SDK, wall (ideal {ideal:g} s)", spread([one.wall for one in gathered], "s"))
    yield Figure("Arboretum, from start to end of the batch", spread([one.ran for one in passages], "s"))
    yield Figure("Arboretum, from file to file", spread([one.whole for one in passages], "s"))
    yield Figure("plain SDK, CPU a call", spread([1000 * one.cpu / rows for one in gathered], "ms"))
    yield Figure("Arboretum, workers' CPU a run", spread([1000 * one.cpu / rows for one in passages], "ms"))
    plain = median(one.wall for one in gathered)
    walls = median(one.ran for one in passages) / plain
    wholes = median(one.whole for one in passages) / plain
    cpus = median(one.cpu for one in passages) / median(one.cpu for one in gathered)
    yield Figure("wall, Arboretum / plain SDK", f"{walls:.2f} x", "0.5 x")
    yield Figure("wall from file to file, Arboretum / plain SDK", f"{wholes:.2f} x", "0.5 x")
    yield Figure("CPU, Arboretum / plain SDK", f"{cpus:.2f} x", "0.33 x")
