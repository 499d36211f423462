"""Winding a batch up: its counts are proved against its rows, and exactly one caller ends it."""

import structlog
from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce, Now

from batches.models import Batch, BatchQuerySet, EventType, Run
from batches.states import TERMINAL_RUN_STATES, BatchState, RunState
from batches.webhooks.events import note_batch_event

from .clock import now_plus
from .storing import LIVE_STATES

# How a batch may end here, and what webhooks are told of it.
_EVENTS = {
    BatchState.COMPLETED: EventType.BATCH_COMPLETED,
    BatchState.CANCELLED: EventType.BATCH_CANCELLED,
    BatchState.EXPIRED: EventType.BATCH_EXPIRED,
}
log = structlog.get_logger(__name__)


def finalize_batch(batch_id: int) -> bool:
    """End a batch whose rows have all ended, and return whether this call ended it.

    Idempotent and safe beside rivals: `finalizing` is taken by compare-and-set, and left by it. Where the rows say
    otherwise than the counts, the rows win: the counts are set right, and a batch with rows left goes on as it was.
    """
    ending = ending_batch(batch_id)
    with transaction.atomic():
        batch = ending.select_for_update().first()
        return batch is not None and _settle(batch)


def ending_batch(batch_id: int) -> BatchQuerySet:
    """Return a batch if all its rows have ended, and it has not itself; unless it is paused, it is `finalizing` now."""
    done = F("succeeded") + F("failed") + F("cancelled") + F("expired")
    # A paused batch keeps its state until it has ended: `finalizing` could not say that it was paused.
    live = Batch.objects.filter(pk=batch_id, state__in=LIVE_STATES, total__lte=done).exclude(state=BatchState.PAUSED)
    live.update(state=BatchState.FINALIZING, finalizing_at=Now())
    return Batch.objects.filter(
        Q(state=BatchState.FINALIZING) | Q(state=BatchState.PAUSED, total__lte=done), pk=batch_id
    )


def _settle(batch: Batch) -> bool:
    counts = _proved_counts(batch)
    left = batch.total - sum(counts.values())
    state = _unfinished_state(batch) if left else _final_state(batch)
    if any(getattr(batch, name) != number for name, number in counts.items()):
        log.warning("batch_counts_corrected", batch_id=batch.pk, left=left)
    lasts = batch.output_expires_seconds
    changes = {
        "output_expires_at": None if left or lasts is None else now_plus(lasts),
        "finished_at": None if left else Now(),
        "finalizing_at": None if left else Coalesce("finalizing_at", Now()),
    }
    Batch.objects.filter(pk=batch.pk).update(state=state, **counts, **changes)
    if not left:
        note_batch_event(batch.pk, _EVENTS[state])
        log.info("batch_finished", batch_id=batch.pk, state=str(state), **counts)
    return not left


def _proved_counts(batch: Batch) -> dict[str, int]:
    rows = Run.objects.of_batch(batch.pk).filter(state__in=TERMINAL_RUN_STATES)
    found = dict(rows.order_by().values_list("state").annotate(number=Count("id")))
    return {str(state): found.get(state, 0) for state in TERMINAL_RUN_STATES}


def _final_state(batch: Batch) -> BatchState:
    if batch.cancelling_at is not None:
        return BatchState.CANCELLED
    is_expired = Run.objects.of_batch(batch.pk).filter(state=RunState.EXPIRED).exists()
    return BatchState.EXPIRED if is_expired else BatchState.COMPLETED


def _unfinished_state(batch: Batch) -> BatchState:
    if batch.state == BatchState.PAUSED:
        return BatchState.PAUSED
    return BatchState.CANCELLING if batch.cancelling_at is not None else BatchState.RUNNING
