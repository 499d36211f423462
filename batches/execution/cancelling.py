"""Cancelling the rows of a batch, by whoever asked or by maintenance if they died."""

from batches.models import Batch
from batches.publishing import publish_finalize
from batches.states import BatchState, RunState
from batches.telling import tell_changed
from workers.errors import ErrorCode

from .ending import end_rows

CANCELLED = {
    "state": RunState.CANCELLED,
    "lease": None,
    "token": None,
    "not_before": None,
    "error_code": ErrorCode.CANCELLED,
    "error_message": "Cancelled by a user.",
}


def cancel_rows(batch_id: int) -> int:
    """Cancel every row of a batch that has not ended; return how many."""
    return end_rows(batch_id, (RunState.PENDING, RunState.RUNNING, RunState.WAITING), CANCELLED)


def go_on_cancelling(batch_id: int) -> int:
    """Cancel what is left of a batch, if it is being cancelled, and have it wound up; return how many rows that was."""
    if not Batch.objects.filter(pk=batch_id, state=BatchState.CANCELLING).exists():
        return 0
    number = cancel_rows(batch_id)
    tell_changed(batch_id, patience=0)
    publish_finalize(batch_id)
    return number
