"""Many pending runs at once, past the ORM: COPY on PostgreSQL, one prepared INSERT on SQLite.

Model objects and their SQL were nine tenths of what a row took. What differs from row to row is five columns; all else
is asked of the model, once for all rows, so that a field which a later migration adds is never forgotten.
"""

import io
from collections.abc import Sequence
from typing import Any, TypeAlias

from django.db import connection
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now

from .models import Batch, Run

# What is a run's own, in the order of `OWN_COLUMNS`.
NewRun: TypeAlias = tuple[
    int,  # id
    int,  # index
    str | None,  # custom_id
    str,  # input_json
    int,  # agent_version_id
]
OWN_COLUMNS = ("id", "index", "custom_id", "input_json", "agent_version_id")
_READ_BYTES = 1024 * 1024


def insert_runs(batch: Batch, runs: Sequence[NewRun], *, use_cache: bool = True) -> None:
    """Insert pending runs of `batch`, created at this moment of the database's clock, in the transaction that is open.

    All are inserted or none: raises IntegrityError where one is there already. Texts may hold what text from an input
    file can: no NUL, no half of a surrogate pair.
    """
    shared = shared_columns(batch, use_cache=use_cache)
    columns = ", ".join(connection.ops.quote_name(name) for name in (*OWN_COLUMNS, *shared))
    if connection.vendor == "postgresql":
        _copy(columns, runs, list(shared.values()))
    else:
        _execute_many(columns, runs, tuple(shared.values()))


def shared_columns(batch: Batch, *, use_cache: bool = True) -> dict[str, Any]:
    """Return by column what is the same for all new runs of `batch`, as the driver takes it.

    Columns that are NULL or that the database itself fills in are left out: a row that does not name them has them so.
    """
    now = Batch.objects.filter(pk=batch.pk).values_list(Now(), flat=True).get()
    run = Run(batch_id=batch.pk, owner_id=batch.owner_id, input_kind=batch.input_kind, created_at=now)
    if not use_cache:
        run.use_cache = False
    found: dict[str, Any] = {}
    for field in Run._meta.concrete_fields:
        value = field.pre_save(run, add=True)
        if field.column not in OWN_COLUMNS and value is not None and not isinstance(value, DatabaseDefault):
            found[str(field.column)] = field.get_db_prep_save(value, connection)
    return found


def _execute_many(columns: str, runs: Sequence[NewRun], shared: tuple[Any, ...]) -> None:
    places = ", ".join(["%s"] * (len(OWN_COLUMNS) + len(shared)))
    statement = f"INSERT INTO {Run._meta.db_table} ({columns}) VALUES ({places})"  # noqa: S608 - names of the model
    with connection.cursor() as cursor:
        cursor.executemany(statement, [run + shared for run in runs])


def _copy(columns: str, runs: Sequence[NewRun], shared: list[Any]) -> None:
    statement = f"COPY {Run._meta.db_table} ({columns}) FROM STDIN (FORMAT text, ENCODING 'UTF8')"
    with connection.cursor() as cursor:
        # The server writes the shared values as the text that it reads, whatever their types are.
        cursor.execute("SELECT " + ", ".join(["CAST(%s AS text)"] * len(shared)), shared)
        end = "".join(f"\t{_escaped(text)}" for text in cursor.fetchone() or ()) + "\n"
        data = io.BytesIO("".join([_copy_line(run, end) for run in runs]).encode())
        with connection.wrap_database_errors:
            cursor.copy_expert(statement, data, _READ_BYTES)


def _copy_line(run: NewRun, end: str) -> str:
    run_id, index, custom_id, input_json, version_id = run
    name = r"\N" if custom_id is None else _escaped(custom_id)
    return f"{run_id}\t{index}\t{name}\t{_escaped(input_json)}\t{version_id}{end}"


def _escaped(text: str) -> str:
    """Return text as COPY's text format writes it (PostgreSQL's manual, "COPY", "File Formats")."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
