"""Limits that the provider's headers tell."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Bucket, Limits, Report

pytestmark = pytest.mark.any_database


async def test_a_told_limit_holds_where_none_is_configured_and_is_forgotten() -> None:
    limiter = Limiter("p", Tuning(told_ttl=0.4))
    told = Report(waiting=99, told_requests=60, told_tokens=90_000)
    grant = await limiter.exchange(BUCKET, Limits(), told, [1] * 99)
    assert (len(grant.delays), grant.binding) == (1, Binding.REQUESTS)
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.told_requests, state.told_tokens) == (60, 90_000)
    await asyncio.sleep(0.45)
    assert len((await limiter.exchange(BUCKET, Limits(), Report(waiting=99), [1] * 99)).delays) == 99


async def test_the_lower_of_the_told_and_the_configured_limit_holds() -> None:
    limiter, configured = Limiter("p"), Limits(requests_per_minute=60)
    await limiter.exchange(BUCKET, configured, Report(told_requests=6000), [])
    await asyncio.sleep(0.55)
    assert len((await limiter.exchange(BUCKET, configured, Report(waiting=9), [1] * 9)).delays) == 1
    other = Bucket(7, "generous")
    configured = Limits(requests_per_minute=60_000)
    await limiter.exchange(other, configured, Report(told_requests=60), [])
    await asyncio.sleep(0.55)
    assert len((await limiter.exchange(other, configured, Report(waiting=9), [1] * 9)).delays) == 1


async def test_a_told_token_limit_is_paced() -> None:
    limiter = Limiter("p")
    grant = await limiter.exchange(BUCKET, Limits(), Report(waiting=9, told_tokens=6000), [100] * 9)
    assert (len(grant.delays), grant.binding) == (1, Binding.TOKENS)
