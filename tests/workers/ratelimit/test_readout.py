"""What commands and pages read of buckets."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis

from tests.workers.ratelimit.callers import BUCKET
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import BucketState, bucket_states
from workers.ratelimit.types import Binding, Bucket, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database


async def test_an_unknown_bucket_is_empty() -> None:
    assert bucket_states([BUCKET]) == {BUCKET: BucketState()}
    assert bucket_states([]) == {}


async def test_what_waits_is_told_with_its_reason_and_times() -> None:
    limits = Limits(requests_per_minute=60)
    began = datetime.now(UTC)
    await Limiter("p").exchange(BUCKET, limits, Report(in_flight=3, waiting=9, refused=2), [10] * 9)
    await Limiter("q").exchange(BUCKET, limits, Report(in_flight=1, waiting=4, tokens=5), [10] * 4)
    state = bucket_states([BUCKET, Bucket(9, "other")])[BUCKET]
    assert (state.binding, state.in_flight, state.waiting) == (Binding.REQUESTS, 5, 12)
    assert (state.granted, state.refused, state.tokens, state.breaker) == (1, 2, 15, "closed")
    assert state.since is not None
    assert abs(state.since - began) < timedelta(seconds=0.2)
    assert state.until is not None
    assert timedelta(seconds=1) < state.until - began < timedelta(seconds=2)


async def test_a_bucket_is_limited_until_nothing_waits_in_any_process() -> None:
    limits, first, second = Limits(max_concurrency=1), Limiter("p"), Limiter("q")
    await first.exchange(BUCKET, limits, Report(waiting=2), [1, 1])
    await second.exchange(BUCKET, limits, Report(waiting=1), [1])
    await asyncio.sleep(0.1)
    assert 0.1 <= (await first.exchange(BUCKET, limits, Report(), [])).since < 0.3
    assert bucket_states([BUCKET])[BUCKET].binding is Binding.CONCURRENCY
    assert (await second.exchange(BUCKET, limits, Report(waiting=1), [1])).since == 0
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.binding, state.since, state.until, state.waiting) == (None, None, None, 0)


async def test_a_block_shows_until_when() -> None:
    began = datetime.now(UTC)
    await Limiter("p").block(BUCKET, 60, whole_credential=True, reason="quota exhausted")
    state = bucket_states([BUCKET])[BUCKET]
    assert state.until is not None
    assert abs(state.until - began - timedelta(seconds=60)) < timedelta(seconds=0.5)
    await Limiter("p").exchange(BUCKET, Limits(), Report(waiting=1), [1])
    assert bucket_states([BUCKET])[BUCKET].binding is Binding.BLOCKED


async def test_nothing_of_a_block_that_is_over_is_shown() -> None:
    first, second = Limiter("p"), Limiter("q")
    await first.block(BUCKET, 0.6, whole_credential=False, reason="429")
    for limiter in (first, second):
        assert (await limiter.exchange(BUCKET, Limits(), Report(waiting=2), [1, 1])).binding is Binding.BLOCKED
    await asyncio.sleep(0.65)
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.waiting, state.binding, state.since, state.until, state.blocked_reason) == (4, None, None, None, "")
    grant = await first.exchange(BUCKET, Limits(), Report(waiting=2), [1, 1])
    assert (len(grant.delays), grant.since) == (2, 0)
    assert (await second.exchange(BUCKET, Limits(), Report(waiting=2), [1, 1])).since == 0


async def test_no_time_of_the_past_is_shown() -> None:
    limits = Limits(max_concurrency=1)
    await Limiter("p").exchange(BUCKET, limits, Report(waiting=2), [1, 1])
    await asyncio.sleep(0.15)
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.binding, state.until) == (Binding.CONCURRENCY, None)
    assert state.since is not None


async def test_an_exchange_that_grants_all_that_waits_ends_the_limit() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=60_000)
    await limiter.exchange(BUCKET, limits, Report(waiting=900), [1] * 900)
    assert bucket_states([BUCKET])[BUCKET].since is not None
    await asyncio.sleep(0.7)
    grant = await limiter.exchange(BUCKET, limits, Report(waiting=5), [1] * 5)
    assert (len(grant.delays), grant.since) == (5, 0)
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.binding, state.since, state.until) == (None, None, None)


async def test_idle_keys_expire() -> None:
    limiter = Limiter("p")
    await limiter.exchange(BUCKET, Limits(tokens_per_minute=60_000), Report(waiting=1), [1])
    await limiter.block(BUCKET, 7200, whole_credential=False, reason="429")
    await limiter.block(BUCKET, 7200, whole_credential=True, reason="quota")
    await limiter.exchange(BUCKET, Limits(tokens_per_minute=60_000), Report(waiting=1), [1])
    ttls = {key.decode().split(":")[2]: connection().ttl(key) for key in connection().keys("arboretum:limit:*")}
    assert set(ttls) == {"bucket", "processes", "credential"}
    assert 3590 < ttls["processes"] <= 3600
    assert 7190 + 3600 < ttls["bucket"] <= 7200 + 3600
    assert 7190 < ttls["credential"] <= 7200 + 3600


def test_without_a_server_the_reader_is_told(settings) -> None:
    settings.REDIS_URL = "unix:///tmp/arboretum-there-is-no-server-here.sock"
    with pytest.raises(redis.ConnectionError):
        bucket_states([BUCKET])
