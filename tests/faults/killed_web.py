"""The web process that dies right after the COMMIT that creates a batch, or starts one, before anything comes of it.

`uvicorn tests.faults.killed_web:application`: the project's own application. The statement that has to be in the
transaction (INSERT or UPDATE, of a batch) is the value of the variable KILLED_AT.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from arboretum.asgi import application as application

KILLED_AT = "ARBORETUM_TEST_KILLED_AT"
_TABLE = '"batches_batch"'
# A thread's connection is its own, so that another's COMMIT does not count.
_marked: set[BaseDatabaseWrapper] = set()


def _watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Look at the statements of a new connection."""
    if _mark not in connection.execute_wrappers:
        connection.execute_wrappers.append(_mark)


def _mark(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    result = execute(sql, params, many, context)
    words = sql.split(maxsplit=3)
    # An UPDATE that finds nothing to change starts nothing.
    is_idle = words[0] == "UPDATE" and not context["cursor"].rowcount
    if words[0] == os.environ[KILLED_AT] and _TABLE in words[:3] and not is_idle:
        connection: BaseDatabaseWrapper = context["connection"]
        if not connection.in_atomic_block:
            # The statement was a transaction of its own.
            _die()
        _marked.add(connection)
    return result


def _commit(self: BaseDatabaseWrapper) -> Any:
    result = _own_commit(self)
    if self in _marked:
        # What was to be done after the commit is done later than this.
        _die()
    return result


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_own_commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]
BaseDatabaseWrapper._commit = _commit  # type: ignore[attr-defined]
connection_created.connect(_watch)
