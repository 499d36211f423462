"""The one connection over which a process hears what is published; what it listens to may change at any time."""

import asyncio
import math
from collections.abc import AsyncGenerator, Collection
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection

from workers.redis import async_connection

# Seconds of silence after which the server is asked whether it is still there; it then has as long to answer.
SILENCE = 5.0


class Line:
    """A subscribed connection, until it is lost."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._connection: AbstractConnection = async_connection().connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._writing = asyncio.Lock()
        self._heard_at = 0.0

    async def open(self) -> None:
        """Connect. Raises redis.RedisError or OSError."""
        await self._connection.connect()  # type: ignore[no-untyped-call]

    async def say(self, command: str, keys: Collection[str]) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE; the answers come among what is heard. Raises redis.RedisError or OSError."""
        if keys:
            async with self._writing:
                await self._connection.send_command(command, *keys, check_health=False)

    async def hear(self) -> AsyncGenerator[tuple[bytes, str, bytes], None]:
        """Yield kind (`subscribe`, `message`), key and data of all that comes.

        Raises redis.RedisError or OSError when the line is lost.
        """
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        watch = loop.create_task(self._watch())
        try:
            while True:
                answer: Any = await self._connection.read_response(disable_decoding=True, timeout=math.inf)
                self._heard_at = loop.time()
                if isinstance(answer, list) and len(answer) == 3:
                    yield answer[0], answer[1].decode(), answer[2]
        finally:
            watch.cancel()

    async def close(self) -> None:
        """Let the connection go."""
        await self._connection.disconnect(nowait=True)

    async def _watch(self) -> None:
        """Cut the line when the server is gone without a word: it is asked, and does not answer."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(max(0.1, self._heard_at + SILENCE - loop.time()))
                if loop.time() - self._heard_at >= SILENCE:
                    asked_at = loop.time()
                    async with self._writing:
                        await self._connection.send_command("PING", check_health=False)
                    await asyncio.sleep(SILENCE)
                    if self._heard_at < asked_at:
                        break
        except (redis.RedisError, OSError):
            pass
        await self._connection.disconnect(nowait=True)
