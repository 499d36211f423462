"""How a command ends: every expected error becomes an exit code and one line."""

import sys
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, OperationalError

from credentials.encryption import DecryptionFailed
from credentials.validation import error_text
from workers.database import lacks_migrations, missing_migrations
from workers.errors import InvalidInput, ServerUnavailable, WorkError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
# What shells report for a program that Ctrl-C ended: 128 + SIGINT.
EXIT_INTERRUPTED = 130

EXPECTED = (
    InvalidInput,
    ValidationError,
    WorkError,
    ServerUnavailable,
    DecryptionFailed,
    ImproperlyConfigured,
    DatabaseError,
    OSError,
)


def expected_errors() -> tuple[type[Exception], ...]:
    """Return EXPECTED, and SQLAlchemy's own where something has imported it: that takes longer than most commands."""
    found = sys.modules.get("sqlalchemy.exc")
    return EXPECTED if found is None else (*EXPECTED, found.OperationalError, found.InterfaceError)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person sees of an error, and the exit code."""

    exit_code: int
    message: str


def failure_of(error: Exception) -> Failure | None:
    """Return how to report `error`; None for a fault of ours, which keeps its traceback."""
    match error:
        case ValidationError():
            return Failure(EXIT_BAD_ARGUMENTS, error_text(error))
        case InvalidInput():
            return Failure(EXIT_BAD_ARGUMENTS, str(error))
        case WorkError():
            return Failure(EXIT_FAILED, f"{error.message} ({error.code})")
        case ServerUnavailable() | DecryptionFailed() | ImproperlyConfigured():
            return Failure(EXIT_FAILED, str(error))
        case DatabaseError():
            return _database_failure(error)
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError() | PermissionError() if error.filename:
            return Failure(EXIT_BAD_ARGUMENTS, f"{error.filename}: {error.strerror}")
        case _ if type(error).__module__ == "sqlalchemy.exc":
            return _database_failure(OperationalError(*getattr(error, "orig", error).args))
    return None


def _database_failure(error: DatabaseError) -> Failure | None:
    missing = _missing_migrations()
    if missing:
        return Failure(EXIT_FAILED, lacks_migrations(missing))
    if isinstance(error, OperationalError):
        return Failure(EXIT_FAILED, f"The database does not answer as it should: {error}")
    return None


def _missing_migrations() -> int:
    """Return how many migrations the database lacks; 0 where it does not answer."""
    try:
        return missing_migrations()
    except DatabaseError:
        return 0
