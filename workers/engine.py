"""The engine of a worker process: one asyncio loop in its own thread, and one thread that alone talks to the database.

Task threads only hand in coroutines and wait, so that hundreds of runs in flight hold one database connection, not
hundreds, and no thread each.
"""

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connections

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)

LONGEST_RECONNECT_DELAY = 5.0


class Engine:
    """An asyncio loop and a database thread, started once and used from any thread."""

    def __init__(self) -> None:
        """Start both threads."""
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._stopping = threading.Event()
        self._give_up_at = math.inf
        self._database = ThreadPoolExecutor(1, thread_name_prefix="arboretum-database")
        self._aside = ThreadPoolExecutor(2, thread_name_prefix="arboretum-aside")
        self._thread = threading.Thread(target=self._run_loop, name="arboretum-loop", daemon=True)
        self._thread.start()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start `work` on the loop from any other thread; the future gives its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def run_db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `function(...)`, run in the database thread; awaited from the loop.

        `function` is one transaction and safe to run again: when the connection is lost it is, until the database is
        back, for what is to be stored is worth any wait. Raises the database's error once `give_up` says so.
        """
        return await self.loop.run_in_executor(self._database, lambda: self._patiently(function, *args, **kwargs))

    async def run_aside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `function(...)`, run in a thread that may hang, such as on Redis; it must not use the database."""
        return await self.loop.run_in_executor(self._aside, lambda: function(*args, **kwargs))

    def give_up(self, seconds: float) -> None:
        """Stop waiting for a lost database `seconds` from now, since the process is asked to end."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + seconds)

    def _patiently(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        delay = 0.1
        while True:
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                connections.close_all()
                if time.monotonic() > self._give_up_at or self._stopping.is_set():
                    raise
                log.warning("database_lost", error=type(error).__name__, retry_in=delay)
                self._stopping.wait(delay)
                delay = min(delay * 2, LONGEST_RECONNECT_DELAY)

    def stop(self) -> None:
        """Stop the loop and the database thread, closing its connections. Work still under way is cancelled."""
        self._stopping.set()
        if self._thread.is_alive():
            self.submit(_cancel_others()).result(timeout=10)
            self._database.submit(connections.close_all).result(timeout=35)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=10)
        self._database.shutdown(wait=True)
        self._aside.shutdown(wait=False, cancel_futures=True)
        self.loop.close()


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
