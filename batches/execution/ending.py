"""Ending many rows of a batch at once without running them, in short transactions."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from batches.ids import batch_id_range
from batches.models import Run
from batches.states import RunState

from .storing import add_to_batches

# One transaction ends at most this many, and leaves others the database for a moment: on SQLite whoever writes holds up
# all others, and who goes on at once is always first.
ENDED_ROWS = 2_000
PAUSE_SECONDS = 0.005


def end_rows(batch_id: int, states: Collection[RunState], values: Mapping[str, Any]) -> int:
    """End the rows of a batch that are in `states` with `values`, whose `state` is terminal; return how many.

    A running row loses its token: its process finds that out at the next heartbeat and cuts the call.
    """
    total = 0
    # Once more from the beginning: a row may come back to wait behind who passes.
    while number := _pass_through(batch_id, states, values):
        total += number
    return total


def _pass_through(batch_id: int, states: Collection[RunState], values: Mapping[str, Any]) -> int:
    """End the rows from the first to the last, piece by piece: what has ended is not looked at for each piece again."""
    total, (start, after) = 0, batch_id_range(batch_id)
    while ids := _end_some(batch_id, range(start, after), states, values):
        total += len(ids)
        if len(ids) < ENDED_ROWS:
            break
        start = ids[-1] + 1
        time.sleep(PAUSE_SECONDS)
    return total


def _end_some(batch_id: int, places: range, states: Collection[RunState], values: Mapping[str, Any]) -> Sequence[int]:
    """End rows whose ids are among `places`; return the ids, in order."""
    with transaction.atomic():
        rows = Run.objects.filter(id__gte=places.start, id__lt=places.stop, state__in=states).order_by("id")
        ids = list(rows.select_for_update().values_list("id", flat=True)[:ENDED_ROWS])
        number = Run.objects.filter(id__in=ids).update(**values, finished_at=Now())
        if number:
            add_to_batches({batch_id: {str(values["state"]): number}})
    return ids
