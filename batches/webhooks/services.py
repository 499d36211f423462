"""Writes of webhooks: endpoints, their secrets, test events, and deliveries that are sent again."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from batches.models.webhook import TEST_EVENT, DeliveryState, EventType, WebhookDelivery, WebhookEndpoint
from batches.publishing import publish_webhooks
from credentials.models import User
from credentials.validation import check_instance
from workers.errors import Conflict, InvalidInput
from workers.http.urls import check_url

from .events import Event, new_event_id
from .signing import make_secret

log = structlog.get_logger(__name__)

# After a rotation receivers have so long to take the new secret.
PREVIOUS_KEPT = timedelta(hours=24)
MOST_ENDPOINTS = 50


def create_endpoint(
    user: User, url: str, events: Sequence[str], *, description: str = ""
) -> tuple[WebhookEndpoint, str]:
    """Return a new endpoint of `user`, and its secret, which is told this once. Raises InvalidInput."""
    secret = make_secret()
    endpoint = WebhookEndpoint(owner=user, url=_address(url), events=_checked(events), description=description)
    endpoint.set_secrets(secret)
    check_instance(endpoint, exclude=["owner", "events"])
    if WebhookEndpoint.objects.filter(owner=user).count() >= MOST_ENDPOINTS:
        raise InvalidInput(f"A user may have {MOST_ENDPOINTS} webhooks at most; remove one first.")
    endpoint.save()
    log.info("webhook_created", endpoint_id=endpoint.pk)
    return endpoint, secret


def update_endpoint(
    endpoint: WebhookEndpoint,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
) -> WebhookEndpoint:
    """Change what is given, and return the endpoint. Raises InvalidInput."""
    if url is not None:
        endpoint.url = _address(url)
    if events is not None:
        endpoint.events = _checked(events)
    if description is not None:
        endpoint.description = description
    check_instance(endpoint, exclude=["owner", "events"])
    endpoint.save(update_fields=["url", "events", "description", "updated_at"])
    return endpoint


def rotate_secret(endpoint: WebhookEndpoint) -> str:
    """Give an endpoint a new secret and return it, this once. The one before signs too for another 24 hours."""
    secret = make_secret()
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        row.set_secrets(secret, row.reveal_secrets()[0])
        row.previous_until = timezone.now() + PREVIOUS_KEPT
        row.save(update_fields=["encrypted_secret", "key_id", "previous_until", "updated_at"])
    endpoint.refresh_from_db()
    log.info("webhook_secret_rotated", endpoint_id=endpoint.pk)
    return secret


def disable_endpoint(endpoint: WebhookEndpoint, reason: str = "Disabled by a user.") -> WebhookEndpoint:
    """Send nothing more: events are not noted for it any more, and what is pending waits until it is enabled."""
    return _switch(endpoint, is_active=False, disabled_reason=reason)


def enable_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Send again, what was pending first."""
    _switch(endpoint, is_active=True, disabled_reason="")
    publish_webhooks([endpoint.pk])
    return endpoint


def _switch(endpoint: WebhookEndpoint, *, is_active: bool, disabled_reason: str) -> WebhookEndpoint:
    endpoint.is_active, endpoint.disabled_reason, endpoint.failing_since = is_active, disabled_reason, None
    endpoint.save(update_fields=["is_active", "disabled_reason", "failing_since", "updated_at"])
    return endpoint


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint with its deliveries."""
    log.info("webhook_deleted", endpoint_id=endpoint.pk)
    endpoint.delete()


def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send an endpoint an event of the type `webhook.test`, whatever it is told of. Raises Conflict if disabled."""
    _require_active(endpoint)
    data = {"id": str(endpoint.pk), "message": "This is a test."}
    event = Event(new_event_id(), TEST_EVENT, endpoint.owner_id, data)
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            endpoint=endpoint,
            event_id=event.id,
            event_type=event.type,
            payload=event.payload,
            next_attempt_at=Now(),
            created_at=Now(),
        )
        publish_webhooks([endpoint.pk])
    delivery.refresh_from_db()
    return delivery


def resend(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send a delivery again now, whatever came of it, with the same event id; its schedule begins anew.

    Raises Conflict where its endpoint is disabled, or where it is being sent at this moment.
    """
    _require_active(delivery.endpoint)
    is_flying = Q(state=DeliveryState.PENDING, token__isnull=False, next_attempt_at__gt=Now())
    with transaction.atomic():
        free = WebhookDelivery.objects.filter(~is_flying, pk=delivery.pk)
        if not free.update(
            state=DeliveryState.PENDING,
            next_attempt_at=Now(),
            token=None,
            earlier_attempts=F("attempts"),
            delivered_at=None,
        ):
            raise Conflict(f"Delivery {delivery.pk} is being sent at this moment.")
        publish_webhooks([delivery.endpoint_id])
    delivery.refresh_from_db()
    return delivery


def _require_active(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_active:
        raise Conflict(f"Webhook {endpoint.pk} is disabled ({endpoint.disabled_reason}) Enable it first.")


def _address(url: str) -> str:
    """Return `url` if it may be called, by all that it shows; what its name stands for is looked at at each attempt."""
    check_url(url.strip())
    return url.strip()


def _checked(events: Sequence[str]) -> list[str]:
    """Return the types of events, each once, in our order. Raises InvalidInput for an unknown one, and for none."""
    unknown = [event for event in events if event not in EventType.values]
    if unknown or not events:
        told = f"{unknown[0]!r} is unknown" if unknown else "at least one is needed"
        raise InvalidInput(f"events: {told}; allowed: {', '.join(EventType.values)}.")
    return [event for event in EventType.values if event in events]
