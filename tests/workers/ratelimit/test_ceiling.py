"""The ceiling of calls in flight over processes."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET, Caller, Ledger, run_together
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Bucket, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database

LIMITS = Limits(max_concurrency=20)


async def test_four_processes_never_exceed_the_ceiling_and_share_it() -> None:
    ledger = Ledger()
    callers = [Caller(f"p{i}", ledger, LIMITS, [1] * 1000, seconds=0.2) for i in range(4)]
    # The first to come takes all places; they are shared as its calls end.
    await run_together(callers, 0.5)
    before = [caller.started for caller in callers]
    await run_together(callers, 1.2)
    assert ledger.most_in_flight == 20
    assert len(ledger.starts) >= 0.7 * 20 / 0.2 * 1.7
    later = [caller.started - earlier for caller, earlier in zip(callers, before, strict=True)]
    shares = [started / sum(later) for started in later]
    assert all(0.2 < share < 0.3 for share in shares), shares


async def test_one_process_alone_uses_the_whole_ceiling() -> None:
    grant = await Limiter("p").exchange(BUCKET, LIMITS, Report(waiting=30), [1] * 30)
    assert grant.delays == (0.0,) * 20
    assert (grant.retry_in, grant.binding) == (0.1, Binding.CONCURRENCY)


async def test_a_process_above_its_share_gets_nothing_while_another_waits() -> None:
    first, second = Limiter("first"), Limiter("second")
    assert len((await first.exchange(BUCKET, LIMITS, Report(waiting=30), [1] * 30)).delays) == 20
    assert (await second.exchange(BUCKET, LIMITS, Report(waiting=30), [1] * 30)).delays == ()
    assert (await first.exchange(BUCKET, LIMITS, Report(in_flight=15, waiting=10), [1] * 10)).delays == ()
    assert len((await second.exchange(BUCKET, LIMITS, Report(waiting=30), [1] * 30)).delays) == 5


async def test_a_dead_process_holds_no_places_for_long() -> None:
    tuning = Tuning(process_ttl=0.8, entry_ttl=1.2)
    await Limiter("dead", tuning).exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)
    alive = Limiter("alive", tuning)
    assert (await alive.exchange(BUCKET, LIMITS, Report(waiting=5), [1] * 5)).delays == ()
    # It comes again in time itself, or it would be taken for one that was cut off as well.
    for _ in range(6):
        await asyncio.sleep(0.15)
        grant = await alive.exchange(BUCKET, LIMITS, Report(waiting=5), [1] * 5)
    assert len(grant.delays) == 5
    for _ in range(4):
        await asyncio.sleep(0.12)
        await alive.exchange(BUCKET, LIMITS, Report(), [])
    assert connection().hkeys("arboretum:limit:processes:7:gpt-tested") == [b"alive"]


async def test_a_process_that_leaves_gives_its_places_back_at_once() -> None:
    leaving = Limiter("leaving")
    await leaving.exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)
    await leaving.leave()
    assert len((await Limiter("next").exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)).delays) == 20


async def test_a_ceiling_and_a_rate_bind_together() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=60_000, max_concurrency=3)
    await limiter.exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(0.6)
    grant = await limiter.exchange(BUCKET, limits, Report(waiting=9), [1] * 9)
    assert (len(grant.delays), grant.binding) == (3, Binding.CONCURRENCY)


async def test_who_waits_below_a_ceiling_asks_ever_less_often_until_something_happens() -> None:
    holder, waiter = Limiter("holder"), Limiter("waiter")
    await holder.exchange(BUCKET, LIMITS, Report(waiting=17), [1] * 17)

    async def pause(in_flight: int) -> float:
        return (await waiter.exchange(BUCKET, LIMITS, Report(in_flight=in_flight, waiting=9), [1] * 9)).retry_in

    assert await pause(0) == 0.1, "three were granted"
    assert [await pause(3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    await holder.exchange(BUCKET, LIMITS, Report(in_flight=17), [])
    assert await pause(2) == 0.1, "one ended, and its place was granted"
    assert [await pause(3) for _ in range(2)] == [0.1, 0.2]
    other = Bucket(7, "other")
    assert (await waiter.exchange(other, LIMITS, Report(waiting=30), [1] * 30)).retry_in == 0.1


async def test_a_call_that_ended_below_a_ceiling_makes_the_process_ask_soon() -> None:
    greedy, poor = Limiter("greedy"), Limiter("poor")
    await greedy.exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)
    await poor.exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)

    async def pause(in_flight: int) -> float:
        report = Report(in_flight=in_flight, waiting=9)
        grant = await greedy.exchange(BUCKET, LIMITS, report, [1] * 9)
        assert grant.delays == ()
        return grant.retry_in

    assert [await pause(20) for _ in range(3)] == [0.1, 0.2, 0.4]
    assert await pause(19) == 0.1
    assert await pause(19) == 0.2
