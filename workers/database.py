"""What the database lacks, and what it says when it fails."""

from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.migrations.executor import MigrationExecutor

from .errors import ServerUnavailable

log = structlog.get_logger(__name__)

LONGEST_LINE = 300


def missing_migrations() -> int:
    """Return how many migrations the database lacks. Raises DatabaseError where it does not answer."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def lacks_migrations(missing: int) -> str:
    """Return the sentence that tells a person of `missing` migrations."""
    return f"The database lacks {missing} migrations. Run: python manage.py migrate"


def refuse_unmigrated() -> None:
    """Raise ServerUnavailable where the database lacks migrations.

    One that does not answer is logged and passed over: it may come back, and who needs it waits for it.
    """
    try:
        missing = missing_migrations()
    except DatabaseError as error:
        log.warning("database_unavailable", error=type(error).__name__, reason=first_line(error))
        return
    finally:
        connections.close_all()
    if missing:
        raise ServerUnavailable(lacks_migrations(missing))


def first_line(error: Exception) -> str:
    """Return the first line of what `error` says; the further ones may show statements and values."""
    return next(iter(str(error).splitlines()), "")[:LONGEST_LINE]


def end_idle_transactions() -> None:
    """Have PostgreSQL end the transactions of this process that it leaves idle, from now on.

    A process that is frozen within one would keep others from the rows that it has locked for as long as it sleeps.
    """
    connection_created.connect(_end_idle, dispatch_uid="arboretum-idle-transactions")


def _end_idle(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Long before others take its rows; milliseconds.
            patience = round(1000 * settings.ARBORETUM_LEASE_SECONDS / 2)
            cursor.execute(f"SET idle_in_transaction_session_timeout = {patience}")
