"""Whether unused tokens may be given back."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Limits, Report

pytestmark = pytest.mark.any_database

TUNING = Tuning(refund_after=0.3, refund_pause=0.6, refund_silence=0.2)
LIMITS = Limits(tokens_per_minute=6000)


class Process:
    """A process whose calls wait for tokens."""

    def __init__(self) -> None:
        self.limiter = Limiter("p", TUNING)

    async def bound_for(self, seconds: float, remaining: float | None = None) -> bool:
        """Whether tokens may be given back after they have bound for `seconds`."""
        refunds = False
        for _ in range(round(seconds / 0.05)):
            report = Report(waiting=50, remaining_tokens=remaining)
            refunds = (await self.limiter.exchange(BUCKET, LIMITS, report, [100] * 50)).refunds
            await asyncio.sleep(0.05)
        return refunds

    async def ask(self, **report: int) -> bool:
        return (await self.limiter.exchange(BUCKET, LIMITS, Report(**report), [])).refunds


async def test_tokens_that_bind_for_a_minute_while_many_are_left_show_refunds() -> None:
    process = Process()
    assert not await process.bound_for(0.2, remaining=0.6)
    assert await process.bound_for(0.3, remaining=0.6)


async def test_nothing_told_for_a_minute_allows_them() -> None:
    assert await Process().bound_for(0.45)


async def test_few_tokens_left_show_that_nothing_is_given_back() -> None:
    process = Process()
    await process.bound_for(0.1, remaining=0.2)
    assert not await process.bound_for(0.3, remaining=0.9)
    assert await process.bound_for(0.35, remaining=0.9)


async def test_a_break_starts_the_minute_again() -> None:
    process = Process()
    await process.bound_for(0.25, remaining=0.6)
    await process.ask()
    assert not await process.bound_for(0.2, remaining=0.6)
    await asyncio.sleep(0.25)
    assert not await process.bound_for(0.2, remaining=0.6)


async def test_a_refusal_ends_them_for_a_while() -> None:
    process = Process()
    assert await process.bound_for(0.45)
    assert not await process.ask(refused=1)
    assert not await process.bound_for(0.45)
    assert await process.bound_for(0.5)
