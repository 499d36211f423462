"""The headers of a model's limits, where Redis does not answer."""

import asyncio

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from batches.openai_api import limit_headers as module
from batches.openai_api.limit_headers import ModelLimits, limit_headers
from workers.ratelimit.readout import BucketState
from workers.ratelimit.types import Bucket

LIMITS = ModelLimits(Bucket(1, "hanging"), 60, None)


async def test_a_redis_that_hangs_is_asked_once_and_then_again(monkeypatch: pytest.MonkeyPatch):
    asked: list[asyncio.Future[BucketState]] = []

    async def hang(bucket: Bucket) -> BucketState:
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[-1]

    monkeypatch.setattr(module, "bucket_state", hang)
    monkeypatch.setattr(module, "STATE_SECONDS", 0.0)
    answers = []
    for _ in range(3):
        answers.append(asyncio.ensure_future(limit_headers(LIMITS)))
        await asyncio.sleep(0.01)
    assert len(asked) == 1
    asked[0].set_exception(RedisTimeoutError())
    assert await asyncio.gather(*answers) == [{}] * 3
    answers = [asyncio.ensure_future(limit_headers(LIMITS))]
    await asyncio.sleep(0.01)
    asked[1].set_result(BucketState())
    assert (await answers[0])["x-ratelimit-remaining-requests"] == "60"
