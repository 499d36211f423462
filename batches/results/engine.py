"""SQLAlchemy engines over Django's databases: read-only, and each question has a connection of its own.

Nothing is kept between two questions, so an engine may be shared by threads and survives a fork, and a slow reader
holds neither a connection nor a snapshot that would keep the writers' rows from being cleaned up.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

_engines: dict[tuple[str, ...], Engine] = {}


def read_engine(alias: str = DEFAULT_DB_ALIAS) -> Engine:
    """Return the engine that reads Django's database `alias`, which in a test is the test's database.

    It sees what is committed: not what an open transaction of Django's own connection has written. A statement that
    writes fails.
    """
    settings = connections[alias].settings_dict
    key = (alias, *(str(settings.get(name, "")) for name in ("ENGINE", "NAME", "USER", "HOST", "PORT")))
    if key not in _engines:
        _engines[key] = _make_engine(alias)
    return _engines[key]


def _make_engine(alias: str) -> Engine:
    connection: Any = connections[alias]
    params: dict[str, Any] = connection.get_connection_params()
    if connection.vendor == "sqlite":
        return _engine("sqlite+pysqlite://", lambda: _connect_sqlite(params))
    params.pop("cursor_factory", None)
    engine = _engine("postgresql+psycopg2://", lambda: connection.Database.connect(**params))
    return engine.execution_options(postgresql_readonly=True)


def _engine(url: str, connect: Callable[[], Any]) -> Engine:
    return create_engine(url, creator=connect, poolclass=NullPool)


def _connect_sqlite(params: dict[str, Any]) -> sqlite3.Connection:
    """Connect as Django does, but for its converters: SQLAlchemy converts by the types of our tables."""
    connection = sqlite3.connect(
        params["database"],
        timeout=params.get("timeout", 30),
        uri=params.get("uri", False),
        check_same_thread=False,
        isolation_level=None,
    )
    connection.execute("PRAGMA query_only = ON")
    connection.create_function("contains_text", 2, _contains_text, deterministic=True)
    return connection


def _contains_text(text: Any, part: str) -> bool | None:
    return None if text is None else part in str(text).casefold()
