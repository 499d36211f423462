"""What maintenance does for batches whose input is read: none is left lying, and none is read beyond its time."""

from django.db import transaction
from django.db.models.functions import Now

from batches.models import EventType
from batches.publishing import publish_reading, queue_length
from batches.states import BatchState
from batches.webhooks.events import note_batch_event

from .claim import unclaimed, unread

MOST_OFFERED = 64


def offer_unread() -> int:
    """Offer the batches whose input nobody reads, since a message was lost or a process died; return how many."""
    if queue_length("control"):
        return 0
    ids = unclaimed()[:MOST_OFFERED]
    publish_reading(ids)
    return len(ids)


def expire_unread() -> int:
    """End batches whose time is over before their input was read; return how many.

    The rows that there are already end as those of a batch that runs, and the batch with them.
    """
    overdue = unread().filter(expires_at__lte=Now())
    return sum([_expire(batch_id) for batch_id in overdue.values_list("pk", flat=True)])


def _expire(batch_id: int) -> int:
    batch = unread(batch_id)
    with transaction.atomic():
        if batch.filter(total=0).update(state=BatchState.EXPIRED, finished_at=Now(), reading=None):
            note_batch_event(batch_id, EventType.BATCH_EXPIRED)
            return 1
    return batch.update(state=BatchState.RUNNING, started_at=Now(), reading=None)
