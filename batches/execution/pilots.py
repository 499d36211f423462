"""Pilots: rows of a batch that run first, alone. When all of them have ended the batch is paused.

`Batch.pilot` holds their places while they run, and nothing afterwards. Whoever sees their end first pauses the batch:
the command that watches it, or maintenance.
"""

from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from batches.models import Batch, BatchQuerySet, EventType, Run
from batches.states import TERMINAL_RUN_STATES, BatchState
from batches.telling import tell_changed
from batches.webhooks.events import note_batch_event

from .claims import pilot_ids

log = structlog.get_logger(__name__)

# A user may have paused it meanwhile; then it stays paused, and what comes next is said all the same.
_STATES = (BatchState.RUNNING, BatchState.PAUSED)


def pilot_reason(rows: int) -> str:
    """Return why a batch is paused whose pilot of `rows` rows has ended."""
    return f"Pilot of {rows:,} rows done: resume to run the rest."


def end_pilots() -> int:
    """Pause the batches whose pilot has ended; return how many."""
    return sum(end_pilot(batch_id) for batch_id in list(_in_pilot().values_list("pk", flat=True)))


def end_pilot(batch_id: int) -> bool:
    """Pause a batch all of whose pilot's rows have ended, and return whether this call did.

    Safe beside rivals: the pilot is taken off by compare-and-set. A batch of which no row is left is not paused.
    """
    pilot = next(iter(_in_pilot().filter(pk=batch_id).values_list("pilot", flat=True)), None)
    if pilot is None or _has_open_rows(batch_id, pilot):
        return False
    rows = len(pilot)
    with transaction.atomic():
        ended = (
            _in_pilot()
            .filter(pk=batch_id)
            .update(state=BatchState.PAUSED, state_reason=pilot_reason(rows), pilot=None, updated_at=Now())
        )
        if ended:
            # Nobody holds rows of it that this would have to be waited for.
            tell_changed(batch_id, patience=0.0)
            note_batch_event(batch_id, EventType.BATCH_PAUSED)
            log.info("pilot_ended", batch_id=batch_id, rows=rows)
    return bool(ended)


def _in_pilot() -> BatchQuerySet:
    done = F("succeeded") + F("failed") + F("cancelled") + F("expired")
    return Batch.objects.filter(pilot__isnull=False, state__in=_STATES, total__gt=done)


def _has_open_rows(batch_id: int, pilot: Sequence[int]) -> bool:
    rows = Run.objects.filter(pk__in=pilot_ids(batch_id, pilot))
    return rows.exclude(state__in=TERMINAL_RUN_STATES).exists()
