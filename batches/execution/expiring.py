"""Expiring: what a batch has not run when its time is over is not run any more."""

from django.db.models.functions import Now

from batches.models import Batch, BatchQuerySet
from batches.states import BatchState, RunState
from workers.errors import ErrorCode

from .ending import end_rows

EXPIRED = {
    "state": RunState.EXPIRED,
    "not_before": None,
    "error_code": ErrorCode.EXPIRED,
    "error_message": "The batch's time was over before this input was run.",
}


def overdue_batches() -> BatchQuerySet:
    """Return the batches whose time is over while they run or are paused."""
    return Batch.objects.filter(expires_at__lte=Now(), state__in=[BatchState.RUNNING, BatchState.PAUSED])


def expire_batches() -> int:
    """End the rows of overdue batches that nobody has taken; return how many.

    Calls in flight end as they do. A row that comes back from one to wait ends at the next look; when none is left,
    the batch is wound up as expired.
    """
    ids = list(overdue_batches().order_by("pk").values_list("pk", flat=True))
    return sum(end_rows(batch_id, (RunState.PENDING, RunState.WAITING), EXPIRED) for batch_id in ids)
