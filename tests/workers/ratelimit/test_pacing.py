"""Even pacing of requests and tokens over processes."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET, Caller, Ledger, run_together, sharp
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Binding, Bucket, Limits, Report

pytestmark = pytest.mark.any_database


@sharp
async def test_requests_of_four_processes_keep_to_the_limit_and_use_it() -> None:
    ledger, limits = Ledger(), Limits(requests_per_minute=6000)
    await run_together([Caller(f"p{i}", ledger, limits, [1] * 400) for i in range(4)], 2)
    for window in (0.1, 0.5, 1.0):
        assert ledger.worst_excess(98, window) <= 0.001, window
    times = sorted(at for at, _ in ledger.starts)
    assert len(times) >= 0.97 * 100 * (times[-1] - times[0] - 0.1)
    assert times[0] - ledger.starts[0][0] < 0.6
    assert ledger.exchanges < len(times)


@sharp
async def test_tokens_of_four_processes_keep_to_the_limit_and_use_it() -> None:
    ledger, limits = Ledger(), Limits(tokens_per_minute=600_000)
    callers = [Caller(f"p{i}", ledger, limits, [40, 90, 130, 60] * 100) for i in range(4)]
    await run_together(callers, 2)
    for window in (0.1, 0.5, 1.0):
        assert ledger.worst_excess(9800, window) <= 0.001, window
    times = sorted(at for at, _ in ledger.starts)
    assert sum(cost for _, cost in ledger.starts) >= 0.97 * 10_000 * (times[-1] - times[0] - 0.1)
    assert {Binding.TOKENS} == set().union(*(caller.bindings for caller in callers))


async def test_the_tighter_of_two_limits_binds() -> None:
    limiter = Limiter("p")
    both = Limits(requests_per_minute=600, tokens_per_minute=600_000)
    assert (await limiter.exchange(BUCKET, both, Report(waiting=50), [10] * 50)).binding is Binding.REQUESTS
    both = Limits(requests_per_minute=60_000, tokens_per_minute=600)
    assert (await limiter.exchange(Bucket(7, "other"), both, Report(waiting=50), [10] * 50)).binding is Binding.TOKENS


async def test_there_is_no_burst_at_first_nor_after_a_pause() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=6000)
    first = await limiter.exchange(BUCKET, limits, Report(waiting=500), [1] * 500)
    assert len(first.delays) <= 2
    await asyncio.sleep(1.2)
    later = await limiter.exchange(BUCKET, limits, Report(waiting=500), [1] * 500)
    assert len([delay for delay in later.delays if delay == 0]) <= 26
    assert len(later.delays) <= 98 * 0.75 + 2


async def test_only_starts_within_the_horizon_are_granted_and_the_rest_is_told_when_to_ask() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=30)
    await limiter.exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(0.5)
    grant = await limiter.exchange(BUCKET, limits, Report(waiting=3), [1, 1, 1])
    assert len(grant.delays) == 1
    assert grant.retry_in == pytest.approx(2 / 0.98 + grant.delays[0] - 0.5, abs=0.26)
    assert grant.binding is Binding.REQUESTS


async def test_a_bucket_without_limits_starts_all_at_once() -> None:
    grant = await Limiter("p").exchange(BUCKET, Limits(), Report(waiting=200), [1000] * 200)
    assert grant.delays == (0.0,) * 200
    assert (grant.retry_in, grant.binding, grant.since, grant.is_probe) == (0.0, None, 0.0, False)


async def test_a_report_alone_asks_for_nothing() -> None:
    grant = await Limiter("p").exchange(BUCKET, Limits(requests_per_minute=1), Report(in_flight=3), [])
    assert (grant.delays, grant.retry_in, grant.binding) == ((), 0.0, None)


async def test_tokens_charged_beyond_the_reserved_ones_delay_and_those_given_back_hasten() -> None:
    limiter, limits = Limiter("p"), Limits(tokens_per_minute=60_000)
    await limiter.exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(0.5)
    await limiter.exchange(BUCKET, limits, Report(waiting=1), [100])
    late = await limiter.exchange(BUCKET, limits, Report(tokens=2000, waiting=1), [100])
    assert late.delays == ()
    assert late.retry_in == pytest.approx(2.1 / 0.98 - 0.5, abs=0.26)
    soon = await limiter.exchange(BUCKET, limits, Report(tokens=-2000, waiting=1), [100])
    assert len(soon.delays) == 1
