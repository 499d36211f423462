"""How much of a limit four workers use together, on a server that refuses whatever is above it in any 60 s."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from batches.models import Batch
from tests.support.provider_server import ProviderServer

from .figure import Figure
from .rig.case import Size
from .rig.limiter_calls import LimiterCalls
from .rig.meter import Meter
from .rig.rig import Rig
from .rig.work import Work, seconds_to_end

WORKERS = 4
CALL_SECONDS = 0.5
WINDOW_SECONDS = 60
MAX_TOKENS = 200
PATIENCE_SECONDS = 420.0
# Fewer seconds say nothing about the use of a limit.
LEAST_SECONDS = 10
# Another model than the warm-up's, so that the limiter meets it for the first time.
MODEL = "fake-large"


@dataclass(frozen=True, slots=True)
class Limit:
    """What binds: so many a minute, as the server and the model's settings name it, and where the server counts it."""

    name: str
    per_minute: int
    timeline: str
    aim: float

    def server_settings(self) -> dict[str, Any]:
        """Return what makes the server strict. Tokens are charged when a call is admitted, and never given back."""
        return {f"{self.name}_per_window": self.per_minute, "window": float(WINDOW_SECONDS), "charge": "admission"}


LIMITS = {
    "requests": Limit("requests", 1_200, "admitted_per_second", 0.97),
    "tokens": Limit("tokens", 240_000, "admitted_tokens_per_second", 0.95),
}


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of the batch: seconds and CPU seconds of the workers, calls of the limiter, counts of the server."""

    batch: Batch
    ran: float
    cpu: float
    limiter_calls: int
    stats: dict[str, Any]


def run(rig: Rig, size: Size, *, binding: str) -> Iterator[Figure]:
    """Yield the figures of a batch of `size.rows` rows on four workers, bound by requests or tokens a minute."""
    limit = LIMITS[binding]
    with ProviderServer(track_contents=False) as server, rig.workers(WORKERS) as workers:
        work = Work(rig.folder, server)
        passed = _pass(work, server, limit, size.rows, workers.pids)
    yield from _of_the_server(limit, passed.stats)
    yield Figure("limiter calls a run", f"{passed.limiter_calls / size.rows:.2f}", "at most 1")
    yield Figure("succeeded", f"{passed.batch.succeeded:,} of {size.rows:,}")
    yield Figure("run", f"{passed.ran:.1f} s")
    yield Figure("runs/s while running", f"{size.rows / passed.ran:.1f} runs/s")
    yield Figure("workers' CPU a run", f"{1000 * passed.cpu / size.rows:.2f} ms")


def _pass(work: Work, server: ProviderServer, limit: Limit, rows: int, pids: list[int]) -> Passed:
    work.warm_up(work.agent("warm"))
    work.limit(MODEL, **{f"{limit.name}_per_minute": limit.per_minute})
    parameters = {"max_tokens": MAX_TOKENS} if limit.name == "tokens" else {}
    batch = work.batch(work.agent("limited", model=MODEL, parameters=parameters), rows)
    server.configure(latency=CALL_SECONDS, **limit.server_settings())
    server.reset()
    with LimiterCalls() as calls, Meter(pids) as meter:
        work.manager.start(batch)
        ran = seconds_to_end(batch, PATIENCE_SECONDS)
        assert ran is not None, f"the batch did not end: {batch.done} of {rows}"
    return Passed(batch, ran, meter.cpu_seconds, calls.number, server.stats())


def _of_the_server(limit: Limit, stats: dict[str, Any]) -> Iterator[Figure]:
    yield Figure("refused (429)", f"{stats['refused']:,}", "0")
    yield Figure("calls before Retry-After", f"{stats['early_calls']:,}", "0")
    most = stats[f"max_in_window_{limit.name}"]
    yield Figure("most admitted in any 60 s", f"{most:,} of {limit.per_minute:,} {limit.name}")
    used = share_used(stats[limit.timeline], limit.per_minute)
    value = "it ended too soon to tell" if used is None else f"{used:.1%}"
    yield Figure("used after the first 60 s", value, f"at least {limit.aim:.0%}")


def share_used(timeline: list[int], per_minute: int) -> float | None:
    """Return the share of a limit that was used after the first minute; None where it was too short a time.

    `timeline` holds what was admitted in each second. The last two are left out: the work was at its end.
    """
    later = timeline[WINDOW_SECONDS:-2]
    if len(later) < LEAST_SECONDS:
        return None
    return sum(later) / (len(later) * per_minute / WINDOW_SECONDS)
