"""Group commit: what many coroutines ask of the database within a moment is done in one transaction.

Where much comes, waiting a little makes one transaction of many. Where little comes, waiting saves nothing, and what
is not committed yet is what a killed process has to do again: so the wait follows what came lately.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

from .engine import Engine

# A group of so many is worth the whole interval; smaller ones wait less.
FULL_WAIT_ITEMS = 10
LEAST_WAIT_SHARE = 0.05
# Such a group does not wait for its time where nothing more has come for this share of the interval: a burst is over.
QUIET_SHARE = 0.2

T = TypeVar("T")
R = TypeVar("R")


class Coalescer(Generic[T, R]):
    """Collects items for up to `interval` seconds or `max_items`, then calls `flush` with all of them at once.

    The last group's size decides how much of `interval` the next one waits.

    One flush runs at a time; what arrives meanwhile forms the next. Used from the engine's loop alone.
    """

    def __init__(
        self,
        engine: Engine,
        flush: Callable[[Sequence[T]], Sequence[R]],
        *,
        interval: float,
        max_items: int = 500,
        size_of: Callable[[T], int] = lambda item: 0,
        max_size: int = 16 * 1024 * 1024,
    ) -> None:
        """`flush` runs in the database thread, in one transaction, and returns one result per item, in order.

        A group holds at most `max_items`, and items of `max_size` together (or one larger one) by `size_of`.
        """
        self._engine = engine
        self._flush = flush
        self._interval = interval
        self._max_items = max_items
        self._size_of = size_of
        self._max_size = max_size
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._full = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._wait_share = LEAST_WAIT_SHARE

    @property
    def waiting(self) -> int:
        """How many items have not been handed to a flush yet."""
        return len(self._waiting)

    async def submit(self, item: T) -> R:
        """Return what `flush` returned for `item`, after its transaction was committed; raises what `flush` raised."""
        future: asyncio.Future[R] = self._engine.loop.create_future()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._max_items:
            self._full.set()
        if self._worker is None or self._worker.done():
            self._worker = self._engine.loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            await self._gather()
            number = self._group_length()
            self._wait_share = min(1.0, max(LEAST_WAIT_SHARE, number / FULL_WAIT_ITEMS))
            group, self._waiting = self._waiting[:number], self._waiting[number:]
            await self._flush_group(group)

    async def _gather(self) -> None:
        """Wait until a group is full, its time is over, or it is large and nothing more comes."""
        ends, seen = self._engine.loop.time() + self._interval * self._wait_share, 0
        while len(self._waiting) < self._max_items:
            left = ends - self._engine.loop.time()
            if left <= 0 or (seen >= FULL_WAIT_ITEMS and seen == len(self._waiting)):
                return
            seen = len(self._waiting)
            self._full.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), min(left, QUIET_SHARE * self._interval))

    def _group_length(self) -> int:
        size = 0
        for number, (item, _) in enumerate(self._waiting[: self._max_items]):
            size += self._size_of(item)
            if size > self._max_size and number:
                return number
        return min(len(self._waiting), self._max_items)

    async def _flush_group(self, group: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        """Flush a group; where it fails, its halves, so that one bad item fails alone."""
        try:
            results = await self._engine.run_db(self._flush, [item for item, _ in group])
        except (OperationalError, InterfaceError) as error:
            _fail(group, error)
            return
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            middle = len(group) // 2
            await self._flush_group(group[:middle])
            await self._flush_group(group[middle:])
            return
        except BaseException as error:
            _fail(group, error)
            raise
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(group: Sequence[tuple[object, "asyncio.Future[R]"]], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
