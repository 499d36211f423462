"""The ceiling of calls in flight over processes."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET, Caller, Ledger, run_together
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Limits, Report
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
    tuning = Tuning(process_ttl=0.3, entry_ttl=0.5)
    await Limiter("dead", tuning).exchange(BUCKET, LIMITS, Report(waiting=20), [1] * 20)
    alive = Limiter("alive", tuning)
    assert (await alive.exchange(BUCKET, LIMITS, Report(waiting=5), [1] * 5)).delays == ()
    await asyncio.sleep(0.35)
    assert len((await alive.exchange(BUCKET, LIMITS, Report(waiting=5), [1] * 5)).delays) == 5
    await asyncio.sleep(0.2)
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
