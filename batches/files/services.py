"""Files come and go here, whoever asks for it."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from batches.models import File
from credentials.models import User
from workers.errors import InvalidInput

from .multipart import MultipartForm
from .receiving import FORM_BYTES, TOO_LARGE, Upload, receive
from .rules import MissingField, check_early, terms_of
from .storage import file_storage

logger = logging.getLogger(__name__)

# Longer than any upload takes: a half file that is older belongs to a process that died.
ORPHANED_AFTER = timedelta(days=1)
PRUNED_FILES = 1_000
_NAMES_AT_ONCE = 500


def store_file(owner: User, pieces: Iterable[bytes], content_type: str, size: int = 0) -> File:
    """Keep the file of a multipart form as `received` does, and return its row, which is committed."""
    with received(pieces, content_type, size) as upload:
        return record_file(owner, upload)


@contextmanager
def received(
    pieces: Iterable[bytes], content_type: str, size: int = 0, *, with_digest: bool = False
) -> Iterator[Upload]:
    """Keep the file of a multipart form whose body is `pieces` (about `size` bytes, where known) on disk.

    The block calls `record_file`; where it does not, or raises, nothing is kept. `with_digest` has the upload's digest
    taken. Raises InvalidInput (rules.py, receiving.py), NoSpace, and what reading the body raises.
    """
    storage = file_storage()
    _require_size(size)
    storage.require_space(size)
    form = MultipartForm(_bounded(pieces), content_type)
    upload = receive(form, storage, check_early, hashlib.sha256() if with_digest else None)
    is_kept = False
    try:
        yield upload
        is_kept = upload.is_recorded
    finally:
        if upload.storage_name and not is_kept:
            storage.delete(upload.storage_name)


def record_file(owner: User, upload: Upload) -> File:
    """Return the new row of an upload. Raises InvalidInput where its form asks for what may not be."""
    if not upload.storage_name:
        raise MissingField("file")
    terms = terms_of(upload.fields, upload.filename)
    now = timezone.now()
    file = File.objects.create(
        owner=owner,
        purpose=terms.purpose,
        filename=upload.filename,
        bytes=upload.bytes,
        storage_name=upload.storage_name,
        created_at=now,
        expires_at=terms.expires_at(now),
    )
    upload.is_recorded = True
    return file


def delete_file(file: File) -> None:
    """Delete a file: nobody sees it from now on. Its content goes as soon as no batch still has to read it."""
    with transaction.atomic():
        File.objects.filter(pk=file.pk, deleted_at=None).update(deleted_at=timezone.now())
        transaction.on_commit(lambda: _remove_contents([file.pk]))


def prune_files() -> int:
    """Remove what is left of expired and deleted files, and files without a row; return how many contents went."""
    ids = list(File.objects.disposable().exclude(storage_name="").values_list("pk", flat=True)[:PRUNED_FILES])
    removed = _remove_contents(ids) + _remove_orphans()
    left = File.objects.disposable().filter(storage_name="", batches=None)
    _delete_rows(left.values_list("pk", flat=True)[:PRUNED_FILES])
    return removed


def _bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `pieces`, also what stands before or after the form, as long as they are not too much."""
    taken = 0
    for piece in pieces:
        taken += len(piece)
        _require_size(taken)
        yield piece


def _require_size(size: int) -> None:
    if size > settings.ARBORETUM_MAX_FILE_BYTES + FORM_BYTES:
        raise InvalidInput(TOO_LARGE)


def _remove_contents(ids: Iterable[int]) -> int:
    """Remove the contents of those files whose time has come, then their rows. What fails stays for the next time."""
    removed = 0
    for file in File.objects.disposable().filter(pk__in=list(ids)).exclude(storage_name=""):
        try:
            file_storage().delete(file.storage_name)
        except Exception as error:
            # Whatever a storage may raise: one that does not answer must not fail the deletion, which is committed.
            logger.warning("file_content_not_removed", extra={"file": file.pk, "error": type(error).__name__})
            continue
        File.objects.filter(pk=file.pk).update(storage_name="")
        _delete_rows([file.pk])
        removed += 1
    return removed


def _delete_rows(ids: Iterable[int]) -> None:
    """Delete the rows of contents that are gone, but for those that a batch was made from."""
    File.objects.disposable().filter(pk__in=list(ids), storage_name="", batches=None).delete()


def _remove_orphans() -> int:
    storage, removed = file_storage(), 0
    old = storage.names_before(timezone.now() - ORPHANED_AFTER)
    while names := set(islice(old, _NAMES_AT_ONCE)):
        for name in names - set(File.objects.filter(storage_name__in=names).values_list("storage_name", flat=True)):
            storage.delete(name)
            removed += 1
    return removed
