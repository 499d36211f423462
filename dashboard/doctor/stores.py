"""The database and Redis: whether they answer, as what, how fast, and whether they keep what they are given."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis
from django.conf import settings
from django.db import connection

from workers.database import first_line, lacks_migrations, missing_migrations
from workers.embedded.programs import OLDEST_VERSION
from workers.embedded.server import ServerState
from workers.embedded.valkey import embedded

from .findings import Finding, Level, down, ok, problem, warning

ANSWER_SECONDS = 2.0
SLOW_MS = 20.0
# PostgreSQL's oldest version that its makers support (https://www.postgresql.org/support/versioning/).
OLDEST_POSTGRESQL = 14
FULL_SHARE = 0.8
_ASKED = 5


def look_at_database() -> Iterator[Finding]:
    """Whether the database answers, its version, its migrations, its room for connections."""
    try:
        connection.ensure_connection()
    except Exception as error:
        yield down(f"The database does not answer: {first_line(error)}", "Start it, or set DATABASE_URL right.")
        return
    latency = _latency(lambda: _one("SELECT 1"))
    yield from (_sqlite if connection.vendor == "sqlite" else _postgresql)(latency)
    if latency > SLOW_MS:
        yield warning(f"An answer takes {latency:.0f} ms.", "Bring the database closer, or look at its load.")
    if missing := missing_migrations():
        yield down(lacks_migrations(missing), "Run: python manage.py migrate")


def _sqlite(latency: float) -> Iterator[Finding]:
    mode = _one("PRAGMA journal_mode")
    if mode != "wal":
        yield warning(
            f"SQLite's journal mode is {mode}: readers and writers wait for each other.",
            "Put the database on a local disk, where SQLite can use WAL.",
        )
    yield ok(f"SQLite {_one('SELECT sqlite_version()')}, journal mode {mode}, {latency:.1f} ms.", latency_ms=latency)


def _postgresql(latency: float) -> Iterator[Finding]:
    version, number = str(_one("SHOW server_version")), int(_one("SHOW server_version_num"))
    most, used = int(_one("SHOW max_connections")), int(_one("SELECT count(*) FROM pg_stat_activity"))
    facts = {"latency_ms": latency, "max_connections": most, "connections": used}
    if number < OLDEST_POSTGRESQL * 10_000:
        yield warning(f"PostgreSQL {version} is no longer supported.", f"Upgrade to {OLDEST_POSTGRESQL} or later.")
    if used >= FULL_SHARE * most:
        advice = "Raise max_connections, or run fewer processes: each worker and web process holds several."
        yield warning(f"{used} of {most} connections are in use.", advice, **facts)
    size = int(_one("SELECT pg_database_size(current_database())"))
    said = f"{size / 2**20:,.0f} MiB, {latency:.1f} ms, {used} of {most} connections in use"
    yield ok(f"PostgreSQL {version}: {said}.", size=size, **facts)


def _one(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def look_at_redis() -> Iterator[Finding]:
    """Whether Redis answers, its version, and whether it loses or evicts what it holds."""
    if not settings.REDIS_URL_GIVEN and embedded().server.state() is ServerState.DOWN:
        advice = "The first command that needs it starts it: manage.py up, or batches run."
        yield down("The embedded Valkey does not run.", advice, Level.UNKNOWN)
        return
    patience = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, **patience) as client:
            yield from _redis_findings(client)
    except (redis.RedisError, ValueError, OSError) as error:
        advice = "Start it, or set REDIS_URL right." if settings.REDIS_URL_GIVEN else "Stop it: manage.py down"
        yield down(f"Redis does not answer: {first_line(error)}", advice)


def _redis_findings(client: redis.Redis) -> Iterator[Finding]:
    latency = _latency(client.ping)
    facts: dict[str, Any] = client.info()
    version = str(facts["redis_version"])
    name = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        yield problem(f"{name} is too old.", f"Upgrade to {'.'.join(map(str, OLDEST_VERSION))} or later.")
    if (policy := facts.get("maxmemory_policy")) != "noeviction":
        yield problem(
            f"maxmemory-policy is {policy}: when memory is full, queues and limits are thrown away.",
            "Set it: CONFIG SET maxmemory-policy noeviction",
        )
    if not facts.get("aof_enabled"):
        yield warning(
            "appendonly is off: a restart forgets what was queued, and the last minute of the limits.",
            "Set it: CONFIG SET appendonly yes",
        )
    used, most = int(facts["used_memory"]), int(facts.get("maxmemory") or 0)
    if most and used > FULL_SHARE * most:
        yield warning(f"{used / most:.0%} of its memory is used.", "Raise maxmemory.", used=used, maxmemory=most)
    if latency > SLOW_MS:
        yield warning(f"An answer takes {latency:.0f} ms.", "Bring Redis closer, or look at its load.")
    yield ok(f"{name}, {latency:.1f} ms, {used / 2**20:.0f} MiB used.", latency_ms=latency, used_memory=used)


def _latency(ask: Callable[[], Any]) -> float:
    """Return the least of a few answer times in milliseconds."""
    times = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    return round(min(times), 2)
