"""Deliveries taken to be sent, by compare-and-set with a lease, and what came of them; each verb a transaction."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from batches.execution.clock import now_plus
from batches.models.webhook import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpointQuerySet,
)

from .schedule import delay_after

log = structlog.get_logger(__name__)

# A delivery whose sender said nothing for so long is sent by another; an attempt takes 15 s at most.
LEASE_SECONDS = 60.0
# Deliveries to one endpoint that are on their way at once, over all workers; to one that fails only one.
AT_ONCE = 8
GONE = 410


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in the hands of this process: `number` is that of the attempt, `token` the proof that it is ours.

    `attempts` counts those that the schedule counts, this one included.
    """

    delivery_id: int
    endpoint: WebhookEndpoint
    event_id: str
    payload: str
    number: int
    attempts: int
    token: int

    @property
    def secrets(self) -> list[str]:
        """The secrets that sign now. Raises DecryptionFailed."""
        found = self.endpoint.reveal_secrets()
        until = self.endpoint.previous_until
        return found if until is not None and until > timezone.now() else found[:1]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: the status, or why there is none; seconds that the receiver asks to wait."""

    latency_ms: int
    status: int | None = None
    error: str = ""
    response: str = ""
    retry_after: float | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def claim_due(endpoint_id: int) -> list[Claimed]:
    """Take deliveries that are due, as many as may be on their way; none where endpoint or owner is not active."""
    with transaction.atomic():
        # Locked, so that two processes together take no more than one would.
        endpoint = _called().select_for_update(of=("self",)).filter(pk=endpoint_id).first()
        if endpoint is None:
            return []
        pending = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING)
        flying = pending.filter(token__isnull=False, next_attempt_at__gt=Now()).count()
        room = max(0, (AT_ONCE if endpoint.failing_since is None else 1) - flying)
        due = list(pending.filter(next_attempt_at__lte=Now()).order_by("next_attempt_at", "id")[:room])
        return _take(endpoint, due) if due else []


def _take(endpoint: WebhookEndpoint, due: Sequence[WebhookDelivery]) -> list[Claimed]:
    token = secrets.randbits(63)
    rows = WebhookDelivery.objects.filter(pk__in=[delivery.pk for delivery in due])
    rows.update(token=token, attempts=F("attempts") + 1, next_attempt_at=now_plus(LEASE_SECONDS))
    WebhookAttempt.objects.bulk_create(
        WebhookAttempt(delivery=delivery, number=delivery.attempts + 1, started_at=Now()) for delivery in due
    )
    return [
        Claimed(
            delivery.pk,
            endpoint,
            delivery.event_id,
            delivery.payload,
            delivery.attempts + 1,
            delivery.attempts + 1 - delivery.earlier_attempts,
            token,
        )
        for delivery in due
    ]


def store_answer(claimed: Claimed, answer: Answer) -> None:
    """Store what came of an attempt, and what becomes of its delivery. May be called twice."""
    with transaction.atomic():
        WebhookAttempt.objects.filter(delivery=claimed.delivery_id, number=claimed.number).update(
            latency_ms=answer.latency_ms, status=answer.status, error=answer.error, response=answer.response
        )
        pending = WebhookDelivery.objects.filter(pk=claimed.delivery_id, state=DeliveryState.PENDING)
        if answer.is_ok:
            # Whoever holds it by now: the receiver has it.
            pending.update(state=DeliveryState.DELIVERED, delivered_at=Now(), next_attempt_at=None, token=None)
        else:
            _put_off(claimed, answer)
        _note_health(claimed.endpoint.pk, answer)


def _put_off(claimed: Claimed, answer: Answer) -> None:
    ours = WebhookDelivery.objects.filter(pk=claimed.delivery_id, token=claimed.token, state=DeliveryState.PENDING)
    delay = None if answer.status == GONE else delay_after(claimed.attempts, answer.retry_after)
    if delay is None:
        ours.update(state=DeliveryState.FAILED, next_attempt_at=None, token=None)
        log.warning("webhook_failed", delivery_id=claimed.delivery_id, attempts=claimed.number, status=answer.status)
    else:
        ours.update(next_attempt_at=now_plus(delay), token=None)


def _note_health(endpoint_id: int, answer: Answer) -> None:
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id)
    if answer.is_ok:
        endpoint.filter(failing_since__isnull=False).update(failing_since=None)
        return
    endpoint.filter(failing_since=None).update(failing_since=Now())
    if answer.status == GONE and endpoint.filter(is_active=True).update(
        is_active=False, disabled_reason="It answered 410 Gone.", updated_at=Now()
    ):
        log.warning("webhook_disabled", endpoint_id=endpoint_id, status=GONE)


def endpoints_with_due() -> list[int]:
    """Return the active endpoints to which something is due (index `webhook_delivery_due`)."""
    due = WebhookDelivery.objects.filter(
        endpoint=OuterRef("pk"), state=DeliveryState.PENDING, next_attempt_at__lte=Now()
    )
    return list(_called().filter(Exists(due)).values_list("pk", flat=True))


def _called() -> WebhookEndpointQuerySet:
    """Return the endpoints that are called: who may not sign in any more is told nothing either."""
    return WebhookEndpoint.objects.filter(is_active=True, owner__is_active=True)
