"""The files that a batch writes. They are not kept: each is made from the batch's rows whenever it is read."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Now

from batches.models import Batch, BatchQuerySet
from batches.states import TERMINAL_BATCH_STATES
from credentials.models import User
from workers.errors import Conflict

from .ids import OUTPUT, file_id, file_key
from .lines import file_lines

PURPOSE = "batch_output"


class BatchFile:
    """A batch's file of results, or that of errors (batches.files.selectors.FileObject)."""

    # How long the content is, is known only when it was written: rows may get dearer after their end.
    size: int | None = None

    def __init__(self, batch: Batch, kind: str) -> None:
        """Take the batch and which of its files: OUTPUT or ERRORS."""
        self.batch = batch
        self.kind = kind
        self.public_id = file_id(batch.pk, kind)
        self.filename = f"batch_{batch.pk}_{kind}.jsonl"

    @property
    def created_at(self) -> datetime:
        """When the batch ended; while it runs, when it began."""
        batch = self.batch
        return batch.finished_at or batch.started_at or batch.created_at

    def as_json(self) -> dict[str, object]:
        """Return OpenAI's file object. Until the batch has ended it is `uploaded`: it can be read, and grows."""
        batch, has_ended = self.batch, self.batch.state in TERMINAL_BATCH_STATES
        size = batch.output_bytes if self.kind == OUTPUT else batch.error_bytes
        return {
            "id": self.public_id,
            "object": "file",
            "bytes": size or 0,
            "created_at": int(self.created_at.timestamp()),
            "expires_at": int(batch.output_expires_at.timestamp()) if batch.output_expires_at else None,
            "filename": self.filename,
            "purpose": PURPOSE,
            "status": "processed" if has_ended else "uploaded",
            "status_details": None if has_ended else "The batch still runs: what has ended can be read.",
        }

    def open_chunks(self) -> Iterator[bytes]:
        """Yield the lines of the rows that have ended."""
        return file_lines(self.batch, self.kind)

    def delete(self) -> None:
        """Have nobody find the file any more; the rows stay. Raises Conflict while the batch runs."""
        name = "is_output_deleted" if self.kind == OUTPUT else "is_error_deleted"
        ended = Batch.objects.filter(pk=self.batch.pk, state__in=TERMINAL_BATCH_STATES)
        if not ended.update(**{name: True}):
            raise Conflict(f"Batch {self.batch.pk} is still writing this file.")


def find_batch_file(user: User, public_id: str) -> BatchFile | None:
    """Return the file of a batch that `public_id` leads to; None where `user` sees none."""
    key = file_key(public_id)
    if key is None:
        return None
    pk, kind = key
    batch = _written(user, kind).filter(pk=pk).first()
    return None if batch is None else BatchFile(batch, kind)


def ended_files(user: User, kind: str) -> BatchQuerySet:
    """Return the batches that have ended and whose file of this kind `user` sees."""
    return _written(user, kind).filter(state__in=TERMINAL_BATCH_STATES, finished_at__isnull=False)


def _written(user: User, kind: str) -> BatchQuerySet:
    batches = Batch.objects.visible_to(user).exclude(endpoint="")
    batches = batches.filter(Q(output_expires_at=None) | Q(output_expires_at__gt=Now()))
    if kind == OUTPUT:
        return batches.filter(succeeded__gt=0, is_output_deleted=False)
    return batches.filter(Q(failed__gt=0) | Q(cancelled__gt=0) | Q(expired__gt=0), is_error_deleted=False)
