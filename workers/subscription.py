"""Hearing what other processes publish on a channel of Redis, whatever becomes of the connection."""

import asyncio
from collections.abc import Callable

import redis
import structlog
from redis.asyncio.client import PubSub

from .redis import async_connection

# Seconds of silence after which the server is asked whether it is still there; it then has as long to answer.
SILENCE = 5.0
RECONNECT_PAUSE = 0.5
log = structlog.get_logger(__name__)


async def subscribe(channel: str, hear: Callable[[bytes], None], *, unheard: str) -> None:
    """For ever: call `hear` with each message of `channel`; a lost connection is made anew.

    What is published meanwhile is lost. A message that `hear` raises for is logged as `unheard` and passed over.
    """
    while True:
        try:
            async with async_connection().pubsub() as subscription:
                await subscription.subscribe(channel)
                await _read(subscription, hear, unheard)
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_PAUSE)


async def _read(subscription: PubSub, hear: Callable[[bytes], None], unheard: str) -> None:
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
            try:
                hear(message["data"])
            except Exception as error:
                # The next ones must be heard all the same.
                log.exception(unheard, error=type(error).__name__)
