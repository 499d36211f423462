"""Processes with many calls waiting, and what may be said of the starts that they were granted."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from workers.ratelimit.limiter import Limiter
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Bucket, Limits, Report
from workers.redis import connection

BUCKET = Bucket(7, "gpt-tested")
# Starts that are known no better than this (seconds) prove nothing.
MOST_BLUR = 0.1
ATTEMPTS = 4


class Blurred(AssertionError):
    """The machine was too slow to know when calls started."""


def sharp(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Repeat a test that was too blurred to prove anything; it fails where it always is."""

    @functools.wraps(test)
    async def repeated(*args: object, **kwargs: object) -> None:
        for _ in range(ATTEMPTS - 1):
            with suppress(Blurred):
                return await test(*args, **kwargs)
            connection().flushall()
        return await test(*args, **kwargs)

    return repeated


@dataclass
class Ledger:
    """All starts of all callers in seconds of Redis' clock (that of this machine), and the calls in flight."""

    starts: list[tuple[float, int]] = field(default_factory=list)
    # The longest exchange: the starts are known no better.
    blur: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    exchanges: int = 0

    def worst_excess(self, rate: float, window: float, catch_up: float = 0.25) -> float:
        """The most that any window of `window` seconds holds above rate * (window + catch_up), its last call left out.

        `rate`: tokens (or calls, of cost 1) per second.
        """
        self.require_sharpness()
        starts = sorted(self.starts)
        last, total, worst = 0, 0, float("-inf")
        for first in range(len(starts)):
            while last < len(starts) and starts[last][0] <= starts[first][0] + window:
                total += starts[last][1]
                last += 1
            worst = max(worst, total - starts[last - 1][1])
            total -= starts[first][1]
        return worst - rate * (window + catch_up + self.blur)

    def fullest(self, window: float) -> int:
        """The most that any window of `window` seconds holds, all its calls counted."""
        self.require_sharpness()
        starts = sorted(self.starts)
        return max(sum(cost for at, cost in starts if begin <= at < begin + window) for begin, _ in starts)

    def require_sharpness(self) -> None:
        """Raise Blurred where the starts are known too badly to prove anything."""
        if self.blur >= MOST_BLUR:
            raise Blurred(f"an exchange took {self.blur:.3f} s")


@dataclass
class Caller:
    """A process in which `costs` are called as fast as the limiter lets them; each takes `seconds`.

    Where it `goes_first` no turn of another holds its calls back.
    """

    name: str
    ledger: Ledger
    limits: Limits
    costs: list[int]
    seconds: float = 0.0
    bucket: Bucket = BUCKET
    tuning: Tuning = field(default_factory=Tuning)
    goes_first: bool = False
    in_flight: int = 0
    started: int = 0
    bindings: set[Binding | None] = field(default_factory=set)
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.name, self.tuning)
        self.ended = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Call until all are granted, at most for `seconds`."""
        end = time.monotonic() + seconds
        while self.costs and time.monotonic() < end:
            self.ended.clear()
            retry_in = await self.exchange()
            try:
                await asyncio.wait_for(self.ended.wait(), max(0.001, min(retry_in, end - time.monotonic())))
            except TimeoutError:
                continue

    async def exchange(self) -> float:
        """One exchange; returns when to ask again."""
        report, self.report = self.report, Report()
        report.in_flight, report.waiting = self.in_flight, len(self.costs)
        began = time.time()
        front = len(self.costs) if self.goes_first else 0
        grant = await self.limiter.exchange(self.bucket, self.limits, report, self.costs, front=front)
        self.ledger.blur = max(self.ledger.blur, time.time() - began)
        self.ledger.exchanges += 1
        self.bindings.add(grant.binding)
        for delay in grant.delays:
            self.start(began, delay, self.costs.pop(0))
        return grant.retry_in

    def start(self, began: float, delay: float, cost: int) -> None:
        self.ledger.starts.append((began + delay, cost))
        self.started += 1
        self.in_flight += 1
        self.ledger.in_flight += 1
        self.ledger.most_in_flight = max(self.ledger.most_in_flight, self.ledger.in_flight)
        asyncio.get_running_loop().call_later(delay + self.seconds, self.end)

    def end(self) -> None:
        self.in_flight -= 1
        self.ledger.in_flight -= 1
        self.report.succeeded += 1
        if Binding.CONCURRENCY in self.bindings or Binding.ADAPTIVE in self.bindings:
            self.ended.set()


async def run_together(callers: Sequence[Caller], seconds: float) -> None:
    """Let all call at once."""
    await asyncio.gather(*(caller.run(seconds) for caller in callers))
