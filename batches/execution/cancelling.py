"""Cancelling the rows of a batch, by whoever asked or by maintenance if they died."""

from batches.states import RunState
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
