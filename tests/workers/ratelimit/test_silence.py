"""Redis stands still: what the processes hold is old then, and true all the same."""

import asyncio
import os
import signal

import pytest

from tests.workers.ratelimit.callers import BUCKET
from workers.embedded.valkey import EmbeddedValkey
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Limits, Report
from workers.redis import async_connection

pytestmark = pytest.mark.any_database

TUNING = Tuning(process_ttl=0.4, entry_ttl=2.0, settling=0.3)
LIMITS = Limits(max_concurrency=10)


class Process:
    """A process that holds calls and wants more."""

    def __init__(self, name: str, tuning: Tuning = TUNING) -> None:
        self.limiter, self.held = Limiter(name, tuning), 0

    async def ask(self, wanted: int) -> int:
        """Return how many more may start; they are held from then on."""
        report = Report(in_flight=self.held, waiting=wanted)
        granted = len((await self.limiter.exchange(BUCKET, LIMITS, report, [1] * wanted)).delays)
        self.held += granted
        return granted


async def two_that_hold_five_each(tuning: Tuning = TUNING) -> tuple[Process, Process]:
    first, second = Process("first", tuning), Process("second", tuning)
    assert (await first.ask(5), await second.ask(5)) == (5, 5)
    return first, second


async def test_a_redis_that_stood_still_gives_no_place_away_twice(embedded: EmbeddedValkey, settings) -> None:
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    first, second = await two_that_hold_five_each()
    server = embedded.server.process()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        asked = [asyncio.create_task(process.ask(5)) for process in (first, second)]
        await asyncio.sleep(0.6)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert await asyncio.gather(*asked) == [0, 0]
    assert (await first.ask(5), await second.ask(5)) == (0, 0)


async def test_a_process_that_was_cut_off_takes_no_place_of_another_that_was() -> None:
    first, second = await two_that_hold_five_each()
    idle = Limiter("idle", TUNING)
    for _ in range(6):
        await idle.exchange(BUCKET, LIMITS, Report(), [])
        await asyncio.sleep(0.1)
    assert await first.ask(5) == 0
    assert await second.ask(5) == 0


async def test_a_newcomer_after_a_silence_takes_no_place_either() -> None:
    first, _ = await two_that_hold_five_each()
    await asyncio.sleep(0.5)
    assert await Process("new").ask(10) == 0
    assert await first.ask(0) == 0


async def test_who_does_not_come_back_after_a_silence_holds_nothing_soon_and_for_good() -> None:
    first, _ = await two_that_hold_five_each()
    await asyncio.sleep(0.5)
    assert await first.ask(5) == 0
    for _ in range(4):
        await asyncio.sleep(0.1)
        await first.ask(0)
    assert await first.ask(2) == 2
    await asyncio.sleep(0.5)
    assert await first.ask(3) == 3


async def test_after_a_long_outage_that_lost_all_each_holds_what_it_held() -> None:
    first, second = await two_that_hold_five_each(Tuning(window=0.1))
    await first.ask(0)
    await asyncio.sleep(0.15)
    await async_connection().flushall()
    assert (await first.ask(5), await second.ask(5)) == (0, 0)
    first.held = 3
    assert await first.ask(5) == 2
