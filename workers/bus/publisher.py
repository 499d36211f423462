"""Telling the bus what happens, from one event loop: nobody who tells ever waits for Redis."""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError

from .script import write

log = structlog.get_logger(__name__)

# What one call carries at most: Redis serves nobody else meanwhile.
MOST_TOLD = 200
MOST_BYTES_TOLD = 1024 * 1024
# What waits for a Redis that is away; beyond that the oldest is given up, as what is older than the second value is.
MOST_WAITING_BYTES = 32 * 1024 * 1024
LATE_SECONDS = 20.0
PAUSE_SECONDS = 0.25


class Publisher:
    """Sends messages in the order in which they were told, many in one round trip. Used from one event loop."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._waiting: deque[tuple[float, str, bytes]] = deque()
        self._bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._is_failing = False

    @property
    def waiting(self) -> int:
        """How many messages were told and are not sent."""
        return len(self._waiting)

    def tell(self, topic: str, data: bytes) -> None:
        """Send a message of `topic` soon. While Redis is away it waits, but neither for ever nor beside too many."""
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time(), topic, data))
        self._bytes += len(data)
        while self._bytes > MOST_WAITING_BYTES:
            self._drop_first()
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())

    async def flush(self, seconds: float) -> None:
        """Wait up to `seconds` until what was told is sent."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=seconds)

    async def _send(self) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                await write([(topic, data) for _, topic, data in group])
                self._is_failing = False
            except (RedisError, OSError) as error:
                self._put_back(group, error)
                await asyncio.sleep(PAUSE_SECONDS)
                self._forget_old()

    def _next_group(self) -> list[tuple[float, str, bytes]]:
        group: list[tuple[float, str, bytes]] = []
        size = 0
        while self._waiting and len(group) < MOST_TOLD and size < MOST_BYTES_TOLD:
            one = self._waiting.popleft()
            group.append(one)
            size += len(one[2])
        self._bytes -= size
        return group

    def _put_back(self, group: Sequence[tuple[float, str, bytes]], error: Exception) -> None:
        """Keep what may not have arrived: it may be told twice, never in another order."""
        self._waiting.extendleft(reversed(group))
        self._bytes += sum(len(data) for _, _, data in group)
        if not self._is_failing:
            self._is_failing = True
            log.warning("bus_unreachable", error=type(error).__name__)

    def _forget_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - LATE_SECONDS
        while self._waiting and self._waiting[0][0] < oldest:
            self._drop_first()

    def _drop_first(self) -> None:
        self._bytes -= len(self._waiting.popleft()[2])
