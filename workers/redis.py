"""Connections to Redis: one pool a process for threads, one an event loop for coroutines."""

import asyncio
import threading
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

# Seconds until a call on a frozen server fails. Blocking reads must block for less.
SOCKET_TIMEOUT = 4.0
CONNECT_TIMEOUT = 2.0
# Calls of one event loop that are on their way at once; further ones wait for their turn.
ASYNC_CONNECTIONS = 32
ASYNC_WAIT = 30.0

_lock = threading.Lock()
_clients: dict[str, redis.Redis] = {}
_async_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis]" = WeakKeyDictionary()


def connection() -> redis.Redis:
    """Return the client of `settings.REDIS_URL` whose pool this process' threads share. Answers are bytes.

    A call raises redis.ConnectionError or redis.TimeoutError after at most a few seconds. It is sent a second time
    only where the connection broke, as after a restart of the server. The pool notices a fork by itself.
    """
    url: str = settings.REDIS_URL
    with _lock:
        if url not in _clients:
            pool = redis.ConnectionPool.from_url(
                url,
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
                socket_timeout=SOCKET_TIMEOUT,
                socket_connect_timeout=CONNECT_TIMEOUT,
                protocol=2,
            )
            _clients[url] = redis.Redis(connection_pool=pool)
        return _clients[url]


def async_connection() -> redis.asyncio.Redis:
    """Return the client of the running event loop. Answers are bytes; who finds no free connection waits for one.

    Close it with `close_async_connection()` before the loop ends.
    """
    loop = asyncio.get_running_loop()
    client = _async_clients.get(loop)
    if client is None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.REDIS_URL,
            max_connections=ASYNC_CONNECTIONS,
            timeout=ASYNC_WAIT,
            retry=AsyncRetry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            socket_timeout=SOCKET_TIMEOUT,
            socket_connect_timeout=CONNECT_TIMEOUT,
            protocol=2,
        )
        client = _async_clients[loop] = redis.asyncio.Redis.from_pool(pool)
    return client


async def close_async_connection() -> None:
    """Close the running event loop's connections, if it has any."""
    client = _async_clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
