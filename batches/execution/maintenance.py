"""Maintenance: what keeps every batch moving whatever was lost. Runs in every worker process, works in the leader.

Each sweep is safe to run twice and beside rivals; a failing sweep is logged and the next one goes on.
"""

import secrets
from collections.abc import Callable

import structlog
from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Now

from batches.models import Batch, EventType, Lease, Run, RunQuerySet
from batches.publishing import (
    lease_messages_wanted,
    publish_finalize,
    publish_housekeeping,
    publish_leases,
    publish_runs,
    publish_webhooks,
    queue_length,
)
from batches.reading.upkeep import expire_unread, offer_unread
from batches.states import BatchState, RunState
from batches.webhooks.claiming import endpoints_with_due
from batches.webhooks.events import note_batch_event

from .cancelling import cancel_rows
from .claims import runnable_batches, takeable_rows
from .clock import now_plus
from .evicting import evict_answers
from .expiring import expire_batches
from .leadership import lead
from .pilots import end_pilots
from .reaping import reap, return_forgotten, return_unheld
from .storing import LIVE_STATES

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 2.0
# A single run that nobody took this long after it was due is offered again.
UNTAKEN_SECONDS = 5.0
MOST_PUBLISHED = 500
MOST_OFFERED = 64
# A batch whose rows stopped coming this long ago lost the process that wrote them.
ABANDONED_SECONDS = 120.0
HOUSEKEEPING_SECONDS = 3600.0


def sweep(holder: str) -> None:
    """Do one round, if `holder` leads."""
    if not lead(holder):
        return
    for step in STEPS:
        run_step(step)


def run_step(step: Callable[[], int]) -> None:
    """Run one step; log what it did, and what went wrong without stopping the round."""
    name = step.__name__
    try:
        number = step()
    except Exception as error:
        log.exception("maintenance_failed", step=name, error=type(error).__name__)
        return
    if number:
        log.info("maintenance_done", step=name, number=number)


def go_on_cancelling() -> int:
    """Cancel what is left of batches that are being cancelled, in case who began it has died. Returns how many."""
    cancelling = Batch.objects.filter(state=BatchState.CANCELLING)
    return sum(cancel_rows(batch_id) for batch_id in cancelling.values_list("pk", flat=True))


def offer_batches() -> int:
    """Publish leases of running batches that have due rows and fewer processes at work than there could be."""
    number = 0
    if queue_length("batch"):
        return number
    live = Lease.objects.filter(released_at=None, expires_at__gt=Now(), batch__isnull=False).order_by()
    at_work = dict(live.values_list("batch").annotate(number=Count("pk")))
    running = list(runnable_batches().order_by("-priority", "pk"))
    # Those that nobody works on come first, by priority.
    for batch in sorted(running, key=lambda batch: at_work.get(batch.pk, 0) > 0):
        if number < MOST_OFFERED and takeable_rows(batch.pk, batch.pilot).exists():
            # One at least: who works on it may not know of these rows.
            rows = batch.remaining if batch.pilot is None else len(batch.pilot)
            wanted = max(1, lease_messages_wanted(rows) - at_work.get(batch.pk, 0))
            publish_leases(batch.pk, wanted)
            number += wanted
    return number


def offer_singles() -> int:
    """Publish single runs that are due and that nobody took."""
    if queue_length("interactive"):
        return 0
    ids = list(untaken_singles().values_list("id", flat=True)[:MOST_PUBLISHED])
    publish_runs(ids)
    return len(ids)


def untaken_singles() -> RunQuerySet:
    """Return the single runs that are due and that nobody has taken, the oldest first (index `run_queued`).

    Suspects are not among them: nobody may take those for a message.
    """
    due = Q(not_before=None, created_at__lt=now_plus(-UNTAKEN_SECONDS)) | Q(not_before__lte=Now())
    return Run.objects.filter(due, state=RunState.QUEUED, crash_slice=None).order_by("id")


def finalize_ended() -> int:
    """Wind up batches whose rows have all ended, and those whose winding up was cut short."""
    done = F("succeeded") + F("failed") + F("cancelled") + F("expired")
    ended = Batch.objects.filter(Q(state__in=LIVE_STATES, total__lte=done) | Q(state=BatchState.FINALIZING))
    ids = list(ended.values_list("pk", flat=True))
    for batch_id in ids:
        publish_finalize(batch_id)
    return len(ids)


def offer_webhooks() -> int:
    """Have due deliveries sent: retries, and those whose message was lost or whose sender died."""
    if queue_length("control"):
        return 0
    ids = endpoints_with_due()
    publish_webhooks(ids)
    return len(ids)


def end_abandoned() -> int:
    """Fail batches whose rows stopped coming because the process that wrote them died."""
    # Those with an endpoint are read by workers, one of which goes on (offer_unread).
    abandoned = Batch.objects.filter(
        state=BatchState.VALIDATING, endpoint="", updated_at__lt=now_plus(-ABANDONED_SECONDS)
    )
    reason = "The process that was reading the input died; create the batch again."
    number = 0
    for batch_id in list(abandoned.values_list("pk", flat=True)):
        with transaction.atomic():
            if abandoned.filter(pk=batch_id).update(
                state=BatchState.FAILED, state_reason=reason, finished_at=Now(), total=0
            ):
                Run.objects.of_batch(batch_id).filter(state=RunState.PENDING).delete()
                note_batch_event(batch_id, EventType.BATCH_FAILED)
                number += 1
    return number


def keep_house() -> int:
    """Have the housekeeping tasks run, once an hour over all processes."""
    # Nobody renews this leadership, so it is free again when the hour is over.
    if not lead(secrets.token_hex(8), "housekeeping", HOUSEKEEPING_SECONDS):
        return 0
    publish_housekeeping()
    return 1


# In this order: rows are taken back before they are offered.
STEPS = (
    reap,
    return_forgotten,
    return_unheld,
    go_on_cancelling,
    expire_unread,
    expire_batches,
    end_pilots,
    offer_unread,
    offer_batches,
    offer_singles,
    finalize_ended,
    offer_webhooks,
    end_abandoned,
    evict_answers,
    keep_house,
)
