"""Listening for the blocks that any process publishes."""

import asyncio
import json
from collections.abc import Callable

import redis
from redis.asyncio.client import PubSub

from workers.redis import async_connection

from .keys import BLOCKS

# Seconds of silence after which the server is asked whether it is still there; it then has as long to answer.
SILENCE = 5.0
RECONNECT_PAUSE = 0.5


async def listen_for_blocks(on_block: Callable[[int, str | None, float], None]) -> None:
    """For ever: call on_block(credential, model or None, seconds left); a lost connection is made anew."""
    while True:
        try:
            async with async_connection().pubsub() as subscription:
                await subscription.subscribe(BLOCKS)
                await _read(subscription, on_block)
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_PAUSE)


async def _read(subscription: PubSub, on_block: Callable[[int, str | None, float], None]) -> None:
    """Read until the connection is lost. A server that is gone without a word is noticed by its missing pong."""
    asked = False
    while True:
        message = await subscription.get_message(timeout=SILENCE)
        if message is None:
            if asked:
                raise redis.ConnectionError("the subscription does not answer")
            await subscription.ping()
        asked = message is None
        if message is not None and message["type"] == "message":
            credential, model, seconds = json.loads(message["data"])
            on_block(credential, model, seconds)
