"""Listening for the blocks that any process publishes."""

import asyncio
import json
import math
from collections.abc import Callable

import redis
import structlog
from redis.asyncio.client import PubSub

from workers.redis import async_connection

from .keys import BLOCKS

# Seconds of silence after which the server is asked whether it is still there; it then has as long to answer.
SILENCE = 5.0
RECONNECT_PAUSE = 0.5
log = structlog.get_logger(__name__)

OnBlock = Callable[[int, str | None, float], None]


async def listen_for_blocks(on_block: OnBlock) -> None:
    """For ever: call on_block(credential, model or None, seconds left); a lost connection is made anew.

    A message that is no block, or that on_block raises for, is logged and passed over.
    """
    while True:
        try:
            async with async_connection().pubsub() as subscription:
                await subscription.subscribe(BLOCKS)
                await _read(subscription, on_block)
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_PAUSE)


async def _read(subscription: PubSub, on_block: OnBlock) -> None:
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
            _hear(message["data"], on_block)


def _hear(data: bytes, on_block: OnBlock) -> None:
    try:
        on_block(*_parse(data))
    except Exception as error:
        # The next blocks must be heard all the same.
        log.exception("block_unheard", error=type(error).__name__)


def _parse(data: bytes) -> tuple[int, str | None, float]:
    """Return credential, model and seconds. Raises ValueError or TypeError where `data` is no block."""
    credential, model, seconds = json.loads(data)
    if not isinstance(credential, int) or not isinstance(model, str | None) or not math.isfinite(seconds):
        raise ValueError("a block is [credential, model or null, seconds]")
    return credential, model, seconds
