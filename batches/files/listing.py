"""Pages of files: uploads and what batches have written, in the order in which they came to be."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from batches.models import File
from batches.openai_api.batch.files import PURPOSE, BatchFile, ended_files
from batches.openai_api.batch.ids import ERRORS, OUTPUT
from credentials.models import User

from .selectors import FileObject, StoredFile, find_file

_UPLOAD = "upload"
# Of the same moment: what comes first.
_SOURCES = (_UPLOAD, OUTPUT, ERRORS)


class _Position(NamedTuple):
    """A file's place in the order."""

    moment: datetime
    source: int
    pk: int


class _Listed(NamedTuple):
    position: _Position
    file: FileObject


def list_files(
    user: User, *, purpose: str, after: str, oldest_first: bool, limit: int
) -> tuple[list[FileObject], bool]:
    """Return a page of the files that `user` sees, and whether more follow.

    `purpose` is empty for all. What a batch writes is listed once it has ended. Raises NoSuchFile where `after` names
    no file.
    """
    last = _position(find_file(user, after)) if after else None
    wanted = [name for name in _SOURCES if not purpose or (name == _UPLOAD) is (purpose != PURPOSE)]
    found = [_read(user, name, purpose, last, oldest_first, limit + 1) for name in wanted]
    merged = heapq.merge(*found, key=lambda listed: listed.position, reverse=not oldest_first)
    page = [listed.file for listed, _ in zip(merged, range(limit + 1), strict=False)]
    return page[:limit], len(page) > limit


def _position(file: FileObject) -> _Position:
    if isinstance(file, BatchFile):
        return _Position(file.created_at, _SOURCES.index(file.kind), file.batch.pk)
    assert isinstance(file, StoredFile)
    return _Position(file.file.created_at, 0, file.file.pk)


def _read(
    user: User, name: str, purpose: str, last: _Position | None, oldest_first: bool, limit: int
) -> Iterator[_Listed]:
    source = _SOURCES.index(name)
    column = "created_at" if name == _UPLOAD else "finished_at"
    rows: Any = File.objects.visible_to(user).available() if name == _UPLOAD else ended_files(user, name)
    if name == _UPLOAD and purpose:
        rows = rows.filter(purpose=purpose)
    if last is not None:
        rows = rows.filter(_beyond(column, source, last, "gt" if oldest_first else "lt"))
    order = (column, "pk") if oldest_first else (f"-{column}", "-pk")
    for row in rows.order_by(*order)[:limit]:
        file: FileObject = StoredFile(row) if name == _UPLOAD else BatchFile(row, name)
        yield _Listed(_Position(getattr(row, column), source, row.pk), file)


def _beyond(column: str, source: int, last: _Position, way: str) -> Q:
    """Return what holds of the rows of `source` that come after `last`, where values grow or fall by `way`."""
    later = Q(**{f"{column}__{way}": last.moment})
    if source == last.source:
        return later | Q(**{column: last.moment, f"pk__{way}": last.pk})
    same_moment_too = source > last.source if way == "gt" else source < last.source
    return later | Q(**{column: last.moment}) if same_moment_too else later
