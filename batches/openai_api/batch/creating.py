"""Creating a batch of requests: a row, and a word to the workers, who read its file."""

from datetime import timedelta

from django.db import transaction

from batches.endpoints import ENDPOINTS
from batches.files.selectors import NoSuchFile, find_upload
from batches.models import Batch, File
from batches.publishing import publish_reading
from batches.windows import window_of
from credentials.models import User

from .terms import BatchTerms


def create_batch(user: User, terms: BatchTerms) -> Batch:
    """Return a new batch of `user`, whose file will be read. Also where there is no such file: the batch fails then."""
    window: timedelta = window_of(terms.completion_window)
    with transaction.atomic():
        file = _file(user, terms.input_file_id)
        batch = Batch.objects.create(
            owner=user,
            name=(file.filename.removesuffix(".jsonl") if file else terms.input_file_id)[:200],
            endpoint=terms.endpoint,
            input_kind=ENDPOINTS[terms.endpoint].kind,
            input_reference=terms.input_file_id,
            input_file=file,
            input_name=file.filename if file else "",
            input_bytes=file.bytes if file else 0,
            completion_window=terms.completion_window,
            output_expires_seconds=terms.output_seconds,
            metadata=dict(terms.metadata or {}),
        )
        # From the moment that the row itself tells: clients expect exactly the window between the two.
        batch.expires_at = batch.created_at + window
        batch.save(update_fields=["expires_at"])
        publish_reading([batch.pk])
    return batch


def _file(user: User, public_id: str) -> File | None:
    try:
        found = find_upload(user, public_id)
    except NoSuchFile:
        # OpenAI's service accepts it, and tells it by the batch.
        return None
    # Locked: a deletion comes before, and the file is not there any more, or after, and the file is kept to be read.
    return File.objects.available().select_for_update().filter(pk=found.pk).first()
