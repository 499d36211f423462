"""What Arboretum adds to a completion: the same calls straight to the provider and through the API, in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tests.support.provider_server import ProviderServer
from tests.support.web_server import WebServer

from .api_client import Load
from .api_load import Answered, ApiClient
from .figure import Figure, spread
from .rig.api import token_of
from .rig.case import Size
from .rig.meter import cpu_seconds
from .rig.rig import Rig
from .rig.work import Work

CALL_SECONDS = 0.5
IN_FLIGHT = 50
WARM_CALLS = 400
MODEL = "fake-small"
# The openai client is busy for milliseconds a call itself: fewer calls, for the record.
OPENAI_SHARE = 5
WAVES = 5
NO_PARTS: Mapping[str, Sequence[int]] = {}


@dataclass(frozen=True, slots=True)
class Turn:
    """The same calls straight and through Arboretum, and the CPU seconds meanwhile of each part of the latter."""

    straight: Answered
    through: Answered
    cpu: Mapping[str, float]

    @property
    def slower_p50(self) -> float:
        """By how many milliseconds the median is above that of the straight calls."""
        return 1000 * (self.through.p50 - self.straight.p50)

    @property
    def slower_p95(self) -> float:
        """The same of what 95% of the calls stay below."""
        return 1000 * (self.through.p95 - self.straight.p95)


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` times `size.rows` calls each way, 50 at once, on a web and two workers."""
    with (
        ProviderServer(track_contents=False) as server,
        rig.workers() as workers,
        WebServer(rig.worker_env()) as web,
        ApiClient() as client,
    ):
        work = Work(rig.folder, server)
        straight = Load(server.base_url, ["sk-of-nobody"], [MODEL], size.rows, IN_FLIGHT, spread_over=CALL_SECONDS)
        through = replace(
            straight, base_url=f"{web.origin}/v1", keys=[token_of(work.user)], models=[work.plain_model(MODEL)]
        )
        parts = {"web": [web.pid], "workers": workers.pids, "provider": [server.pid]}
        for load in (straight, through):
            client.call(replace(load, calls=WARM_CALLS))
            client.call(replace(load, calls=WARM_CALLS, client="openai"))
        server.configure(latency=CALL_SECONDS)
        turns = [_turn(client, straight, through, parts) for _ in range(size.repeats)]
        yield from _figures(turns)
        together = {"calls": IN_FLIGHT, "spread_over": 0.0}
        waves = [_turn(client, replace(straight, **together), replace(through, **together)) for _ in range(WAVES)]
        slower = (
            f"{median(turn.slower_p50 for turn in waves):.1f} ms, {median(turn.slower_p95 for turn in waves):.1f} ms"
        )
        yield Figure(f"{IN_FLIGHT} sent at the same moment: slower, p50 and p95", slower)
        yield from _with_openai(client, straight, through)


def _turn(client: ApiClient, straight: Load, through: Load, parts: Mapping[str, Sequence[int]] = NO_PARTS) -> Turn:
    alone = client.call(straight)
    before = {name: cpu_seconds(pids) for name, pids in parts.items()}
    beside = client.call(through)
    return Turn(alone, beside, {name: cpu_seconds(pids) - before[name] for name, pids in parts.items()})


def _figures(turns: Sequence[Turn]) -> Iterator[Figure]:
    def ms(value: Callable[[Turn], float]) -> str:
        return spread([value(turn) for turn in turns], "ms", 1)

    def per_call(seconds: Callable[[Turn], float]) -> str:
        return spread([1000 * seconds(turn) / len(turn.through.seconds) for turn in turns], "ms")

    yield Figure("straight, p50", ms(lambda turn: 1000 * turn.straight.p50))
    yield Figure("straight, p95", ms(lambda turn: 1000 * turn.straight.p95))
    yield Figure("through Arboretum, p50", ms(lambda turn: 1000 * turn.through.p50))
    yield Figure("through Arboretum, p95", ms(lambda turn: 1000 * turn.through.p95))
    yield Figure("slower, p50", ms(lambda turn: turn.slower_p50), "20 ms")
    yield Figure("slower, p95", ms(lambda turn: turn.slower_p95), "60 ms")
    yield Figure("web's CPU a call", per_call(lambda turn: turn.cpu["web"]))
    yield Figure("workers' CPU a call", per_call(lambda turn: turn.cpu["workers"]))
    yield Figure("provider server's CPU a call", per_call(lambda turn: turn.cpu["provider"]))
    yield Figure("caller's CPU a call", per_call(lambda turn: turn.through.cpu))


def _with_openai(client: ApiClient, straight: Load, through: Load) -> Iterator[Figure]:
    fewer = {"calls": max(IN_FLIGHT, straight.calls // OPENAI_SHARE), "client": "openai"}
    turn = _turn(client, replace(straight, **fewer), replace(through, **fewer))
    slower = f"{turn.slower_p50:.1f} ms, {turn.slower_p95:.1f} ms"
    yield Figure("with the openai client: slower, p50 and p95", slower)
    yield Figure("with the openai client: caller's CPU a call", f"{1000 * turn.through.cpu / fewer['calls']:.2f} ms")
