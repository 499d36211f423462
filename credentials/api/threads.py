"""Database work of API requests, on threads of our own.

Under ASGI Django gives each request a thread of its own, which begins with no connection to the database; to connect
costs more than most requests do. These threads stay, and so do their connections.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

P = ParamSpec("P")
T = TypeVar("T")

# How long a connection is kept, in seconds: a pool or a replica behind the address gets a fresh start now and then.
CONN_MAX_AGE = 300
# After a longer silence the server may have gone without a word, so it is asked first.
UNCHECKED_SECONDS = 1.0
# Calls that take long, at once; further ones wait.
LONG_THREADS = 4

_lock = threading.Lock()
_pools: dict[str, ThreadPoolExecutor] = {}
_opened: list[BaseDatabaseWrapper] = []
_last = threading.local()


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `function` returns, called in one of these threads, where it may use the database.

    Context variables (the ids in log lines) are those of the caller. Do all that a request needs of the database in
    one call: a change of threads costs more than a query. Where the caller is cancelled while the function runs, it
    goes on to its end.
    """
    return await _call(_pool("api", settings.ARBORETUM_API_THREADS), partial(function, *args, **kwargs))


async def at_length(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do the same as `in_database` for what takes seconds or minutes.

    It has a few threads of its own: in those of all requests a handful of such calls would keep everybody waiting.
    """
    return await _call(_pool("api-long", LONG_THREADS), partial(function, *args, **kwargs))


def stop_threads() -> None:
    """End the threads and their connections; the next call starts new ones."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
        opened, _opened[:] = list(_opened), []
    for pool in pools:
        pool.shutdown()
    for connection in opened:
        connection.inc_thread_sharing()
        connection.close()


async def _call(pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    call = partial(copy_context().run, _guarded, function)
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _pool(name: str, size: int) -> ThreadPoolExecutor:
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(size, name, initializer=_keep_connections)
        return _pools[name]


def _keep_connections() -> None:
    """Have this thread's connections outlive a request, whatever the setting says of the pages' threads."""
    for connection in connections.all():
        connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": CONN_MAX_AGE}
        _opened.append(connection)


def _guarded(function: Callable[[], T]) -> T:
    _drop_dead()
    try:
        return function()
    finally:
        _last.moment = time.monotonic()
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


def _drop_dead() -> None:
    """Close what broke while nobody used it; the next query connects again."""
    if time.monotonic() - getattr(_last, "moment", 0.0) > UNCHECKED_SECONDS:
        for connection in connections.all(initialized_only=True):
            if connection.connection is not None and not connection.is_usable():
                connection.close()
