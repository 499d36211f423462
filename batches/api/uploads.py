"""Rows that come with a request, as a file on disk: an upload, or the rows of a JSON body.

A large upload is in a temporary file already; it gets a second name and is not copied.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, TypeAlias, TypeVar

import orjson
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.http import HttpRequest
from ninja.errors import ValidationError
from pydantic import BaseModel
from pydantic import ValidationError as Invalid

from batches.files.selectors import find_upload
from batches.files.storage import file_storage
from credentials.api.native.installing import parse_json
from credentials.models import User
from workers.errors import InvalidInput, TooLarge

from .batches_given import Source

T = TypeVar("T", bound=BaseModel)
Upload: TypeAlias = "UploadedFile[bytes]"
MULTIPART = "multipart/form-data"
_LONGEST_NAME = 200


def is_multipart(request: HttpRequest) -> bool:
    """Return whether the body is a form with a file; else it is JSON."""
    return request.content_type == MULTIPART


def read_form(request: HttpRequest, kind: type[T]) -> tuple[T, Upload]:
    """Return the fields of a form and its one file, `file`. Raises InvalidInput, ValidationError."""
    fields = {name: values[-1] for name, values in request.POST.lists()}
    for name, text in fields.items():
        if "\0" in name or "\0" in text:
            raise InvalidInput("body: NUL characters are not allowed")
    form = validated(kind, fields)
    files = request.FILES.getlist("file")
    if len(files) != 1 or len(request.FILES) != 1:
        raise InvalidInput("file: one file is needed, CSV with a header row or JSONL")
    upload: Upload = files[0]
    if (upload.size or 0) > settings.ARBORETUM_MAX_FILE_BYTES:
        raise TooLarge(f"file: has more than {settings.ARBORETUM_MAX_FILE_BYTES:,} bytes")
    return form, upload


def read_json(request: HttpRequest, kind: type[T]) -> T:
    """Return the JSON body. Raises InvalidInput, ValidationError."""
    return validated(kind, parse_json(request.body))


def validated(kind: type[T], value: Any) -> T:
    """Return `value` as `kind`. Raises django-ninja's ValidationError, which names the field."""
    try:
        return kind.model_validate(value)
    except Invalid as error:
        found: list[dict[str, Any]] = [{**it, "loc": ("", *it["loc"])} for it in error.errors(include_url=False)]
        raise ValidationError(found) from None


@contextmanager
def upload_path(upload: Upload, format: str | None) -> Iterator[Path]:
    """Give the path of a file with what was uploaded, under its own name; `format` is its ending where told."""
    with tempfile.TemporaryDirectory(prefix="arboretum-upload-") as folder:
        path = Path(folder) / _safe_name(upload.name or "", format)
        if isinstance(upload, TemporaryUploadedFile):
            _second_name(Path(upload.temporary_file_path()), path)
        else:
            path.write_bytes(upload.read())
        yield path


@contextmanager
def source_path(user: User, source: Source) -> Iterator[Path]:
    """Give the path of a file with the rows that `source` holds or names. Raises NotFound for no such stored file."""
    if source.file_id is None:
        with _rows_path(source.rows or ()) as path:
            yield path
        return
    stored = find_upload(user, source.file_id)
    with tempfile.TemporaryDirectory(prefix="arboretum-stored-") as folder:
        path = Path(folder) / _safe_name(stored.filename, None)
        with path.open("wb") as file:
            file.writelines(file_storage().chunks(stored.storage_name))
        yield path


@contextmanager
def _rows_path(rows: Iterable[Mapping[str, Any]]) -> Iterator[Path]:
    """Give the path of a JSONL file that holds `rows`."""
    with tempfile.TemporaryDirectory(prefix="arboretum-rows-") as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("wb") as file:
            file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        yield path


def _second_name(there: Path, path: Path) -> None:
    try:
        os.link(there, path)
    except OSError:
        # Another file system, or one without links.
        path.symlink_to(there)


def _safe_name(name: str, format: str | None) -> str:
    """Return the last part of an uploaded file's name, short enough for any file system."""
    last = PurePath(name.replace("\\", "/")).name.replace("\0", "").encode(errors="replace").decode()
    suffix = f".{format}" if format else PurePath(last).suffix[:20]
    stem = PurePath(last).stem.strip(".") or "upload"
    return stem.encode()[: _LONGEST_NAME - len(suffix.encode())].decode(errors="ignore") + suffix
