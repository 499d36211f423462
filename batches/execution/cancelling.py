"""Cancelling the rows of a batch, in short transactions, by whoever asked or by maintenance if they died."""

from django.db import transaction
from django.db.models.functions import Now

from batches.models import Run
from batches.states import RunState
from workers.errors import ErrorCode

from .storing import add_to_batches

CANCELLED_ROWS = 5_000
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
    total = 0
    while number := _cancel_some(batch_id):
        total += number
    return total


def _cancel_some(batch_id: int) -> int:
    """Cancel up to CANCELLED_ROWS rows in one transaction.

    A running row loses its token: its process finds that out at the next heartbeat and cuts the call.
    """
    open_states = (RunState.PENDING, RunState.RUNNING, RunState.WAITING)
    with transaction.atomic():
        rows = Run.objects.of_batch(batch_id).filter(state__in=open_states).order_by("id")
        ids = list(rows.select_for_update().values_list("id", flat=True)[:CANCELLED_ROWS])
        number = Run.objects.filter(id__in=ids).update(**CANCELLED, finished_at=Now())
        if number:
            add_to_batches({batch_id: {"cancelled": number}})
    return number
