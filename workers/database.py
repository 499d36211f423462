"""What the database lacks, and what it says when it fails."""

import structlog
from django.db import DatabaseError, connection, connections
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
