"""While a large call waits for room in the window it has the turn: rows wait behind it, calls that go first do not."""

import asyncio
import time

import pytest

from tests.workers.ratelimit.callers import BUCKET, Caller, Ledger, run_together, sharp
from tests.workers.ratelimit.test_large_calls import LIMITS, REACH, TUNING, fullest
from workers.ratelimit.keys import bucket_key
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Binding, Grant, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database

LARGE, SMALL = 400, 5


class Process:
    """A process that asks by hand."""

    def __init__(self, name: str) -> None:
        self.limiter = Limiter(name, TUNING)

    async def ask(self, *costs: int, front: int = 0) -> Grant:
        return await self.limiter.exchange(BUCKET, LIMITS, Report(waiting=len(costs)), costs, front=front)

    async def ask_until_granted(self, *costs: int, front: int = 0) -> Grant:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            grant = await self.ask(*costs, front=front)
            if grant.delays:
                return grant
            await asyncio.sleep(0.02)
        raise AssertionError("nothing was granted")


async def fill_the_window() -> None:
    await Caller("filler", Ledger(), LIMITS, [SMALL] * 400, tuning=TUNING).run(0.6)


async def holder_and_other() -> tuple[Process, Process]:
    """Return a process whose large call has the turn, and another."""
    await fill_the_window()
    # A slow machine fills it to the brim: room for a few small calls, and far from enough for the large one.
    await asyncio.sleep(0.1)
    holder, other = Process("holder"), Process("other")
    grant = await holder.ask(LARGE)
    assert (grant.delays, grant.binding) == ((), Binding.TOKENS)
    assert (await other.ask(SMALL)).delays == ()
    return holder, other


async def test_a_call_that_goes_first_does_not_wait_for_the_turn_of_another() -> None:
    _, other = await holder_and_other()
    grant = await other.ask(SMALL, SMALL, SMALL, front=1)
    assert (len(grant.delays), grant.binding) == (1, Binding.TOKENS)
    assert grant.retry_in > 0
    assert (await other.ask(SMALL)).delays == ()


async def test_a_call_that_goes_first_leaves_its_own_process_the_turn_and_its_credit() -> None:
    holder, other = await holder_and_other()
    for _ in range(3):
        assert len((await holder.ask(SMALL, LARGE, front=1)).delays) == 1
        assert (await other.ask(SMALL)).delays == ()
    await holder.ask_until_granted(LARGE)
    # The turn lasted about as long as the large call's tokens take: nothing is left to be paid.
    owed = int(float(connection().hget(bucket_key(BUCKET), "token_at") or 0)) / 1e6 - time.time()
    assert owed < 0.6 * LARGE / 900


async def test_rows_of_the_process_that_has_the_turn_wait_as_well() -> None:
    holder, other = await holder_and_other()
    assert (await holder.ask(SMALL, LARGE)).delays == ()
    assert (await other.ask(SMALL)).delays == ()
    assert len((await holder.ask_until_granted(SMALL, LARGE)).delays) >= 1


async def test_a_large_call_whose_estimate_changed_keeps_its_turn() -> None:
    holder, other = await holder_and_other()
    assert (await holder.ask(LARGE - 40)).delays == ()
    assert (await other.ask(SMALL)).delays == ()
    await holder.ask_until_granted(LARGE - 20)
    assert connection().hget(bucket_key(BUCKET), "turn") is None


async def test_a_large_call_that_is_gone_ends_its_turn_at_once() -> None:
    holder, other = await holder_and_other()
    await holder.ask(SMALL)
    assert len((await other.ask_until_granted(SMALL)).delays) == 1
    assert connection().hget(bucket_key(BUCKET), "turn") is None


async def test_a_large_call_that_goes_first_has_the_turn_among_rows() -> None:
    await fill_the_window()
    holder, other = Process("holder"), Process("other")
    assert (await holder.ask(LARGE, SMALL, front=1)).delays == ()
    assert (await other.ask(SMALL)).delays == ()
    assert len((await holder.ask_until_granted(LARGE, SMALL, front=1)).delays) >= 1


async def test_who_waits_for_a_turn_looks_again_every_few_seconds() -> None:
    limits, holder = Limits(tokens_per_minute=60_000), Limiter("holder")
    await holder.exchange(BUCKET, limits, Report(), [])
    connection().flushall()
    # The window counts as full for a minute.
    await holder.exchange(BUCKET, limits, Report(waiting=1), [50_000])
    grant = await Limiter("other").exchange(BUCKET, limits, Report(waiting=1), [50])
    assert (grant.delays, grant.binding) == ((), Binding.TOKENS)
    assert grant.retry_in <= 5


async def test_a_turn_that_calls_going_first_keep_from_its_end_is_given_up() -> None:
    holder, other = await holder_and_other()
    first = Caller("first", Ledger(), LIMITS, [SMALL] * 900, tuning=TUNING, goes_first=True)
    running = asyncio.create_task(first.run(2.5))
    end, began = time.monotonic() + 2.4, time.monotonic()
    granted_after = None
    while granted_after is None and time.monotonic() < end:
        assert (await holder.ask(LARGE)).delays == ()
        if (await other.ask(SMALL)).delays:
            granted_after = time.monotonic() - began
        await asyncio.sleep(0.02)
    running.cancel()
    assert granted_after is not None
    assert granted_after > REACH


@sharp
async def test_no_window_holds_more_than_the_limit_where_some_go_first() -> None:
    ledger = Ledger()
    first = Caller("first", ledger, LIMITS, [SMALL] * 20, tuning=TUNING, goes_first=True)
    small = Caller("small", ledger, LIMITS, [SMALL] * 900, tuning=TUNING)
    large = Caller("large", ledger, LIMITS, [300, 300], tuning=TUNING)
    await run_together([small, large, first], 2.5)
    assert fullest(ledger) <= 500
    assert (first.started, large.started) == (20, 2)
