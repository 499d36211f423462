"""Which worker processes live: each says so every few seconds, and who falls silent is gone. Redis' clock counts."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .redis import connection

# Seconds after its last word until a worker counts as gone: several announcements may be late.
TTL_SECONDS = 15
_NAMES = "arboretum:workers"
_ONE = "arboretum:worker:"

_ANNOUNCE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSETNX', KEYS[2], 'started_at', now)
redis.call('HSET', KEYS[2], 'heard_at', now)
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[2], ARGV[2])
"""
_LIVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """A live worker process: `slots` runs may be in flight in it at once, `busy` of them are.

    `queues` are those that it takes tasks from, `code` is what it runs (`workers.code`), `heard_at` when it last spoke
    (Redis' clock, whole seconds); None where it has not said so.
    """

    name: str
    host: str
    pid: int
    started_at: datetime
    slots: int
    busy: int
    queues: frozenset[str] | None = None
    code: str | None = None
    heard_at: datetime | None = None

    def serves(self, queue: str) -> bool:
        """Whether it takes tasks from `queue`; who has not said which is taken to serve all."""
        return self.queues is None or queue in self.queues


def announce(name: str, info: Mapping[str, Any]) -> None:
    """Say that worker `name` lives, for the next 15 seconds.

    `info` holds `slots`, `busy`, `queues` (names, separated by commas) and `code`. Left out, `host` and `pid` are this
    process' own, and `started_at` (Unix seconds) is the time of the first word. Raises redis.RedisError.
    """
    facts = {"host": socket.gethostname(), "pid": os.getpid(), **info}
    values = [part for key, value in facts.items() for part in (key, str(value))]
    connection().eval(_ANNOUNCE, 2, _NAMES, _ONE + name, name, TTL_SECONDS, *values)


def withdraw(name: str) -> None:
    """Say that worker `name` is gone. Raises redis.RedisError."""
    with connection().pipeline() as pipe:
        pipe.zrem(_NAMES, name)
        pipe.delete(_ONE + name)
        pipe.execute()


def live_workers(queue: str | None = None) -> list[WorkerPresence]:
    """Return the workers that were heard of in the last 15 seconds, by name; with `queue` those that serve it.

    Raises redis.RedisError.
    """
    client = connection()
    names = sorted(name.decode() for name in client.eval(_LIVE, 1, _NAMES, TTL_SECONDS))
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(_ONE + name)
        found = pipe.execute()
    workers = [_presence(name, values) for name, values in zip(names, found, strict=True) if values]
    return [worker for worker in workers if queue is None or worker.serves(queue)]


def _presence(name: str, values: Mapping[bytes, bytes]) -> WorkerPresence:
    def number(key: bytes) -> int:
        return int(float(values.get(key, b"0")))

    queues = values.get(b"queues")
    return WorkerPresence(
        name=name,
        host=values.get(b"host", b"").decode(),
        pid=number(b"pid"),
        started_at=datetime.fromtimestamp(number(b"started_at"), UTC),
        slots=number(b"slots"),
        busy=number(b"busy"),
        queues=None if queues is None else frozenset(queues.decode().split(",")),
        code=values[b"code"].decode() if b"code" in values else None,
        heard_at=datetime.fromtimestamp(number(b"heard_at"), UTC) if b"heard_at" in values else None,
    )
