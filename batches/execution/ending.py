"""Ending many rows of a batch at once without running them, in short transactions."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from batches.models import Run
from batches.states import RunState

from .storing import add_to_batches

# One transaction ends at most this many.
ENDED_ROWS = 5_000


def end_rows(batch_id: int, states: Collection[RunState], values: Mapping[str, Any]) -> int:
    """End the rows of a batch that are in `states` with `values`, whose `state` is terminal; return how many.

    A running row loses its token: its process finds that out at the next heartbeat and cuts the call.
    """
    total = 0
    while number := _end_some(batch_id, states, values):
        total += number
    return total


def _end_some(batch_id: int, states: Collection[RunState], values: Mapping[str, Any]) -> int:
    with transaction.atomic():
        rows = Run.objects.of_batch(batch_id).filter(state__in=states).order_by("id")
        ids = list(rows.select_for_update().values_list("id", flat=True)[:ENDED_ROWS])
        number = Run.objects.filter(id__in=ids).update(**values, finished_at=Now())
        if number:
            add_to_batches({batch_id: {str(values["state"]): number}})
    return number
