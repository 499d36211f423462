"""What is told of webhooks, by commands and API alike. Secrets are not among it."""

from typing import Any

from batches.models.webhook import WebhookAttempt, WebhookDelivery, WebhookEndpoint


def endpoint_facts(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what may be told of an endpoint."""
    return {
        "id": endpoint.pk,
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "state": "active" if endpoint.is_active else "disabled",
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
    }


def delivery_facts(delivery: WebhookDelivery) -> dict[str, Any]:
    """Return what may be told of a delivery."""
    names = ("event_id", "event_type", "state", "attempts", "next_attempt_at", "created_at", "delivered_at")
    return {"id": delivery.pk, "endpoint": delivery.endpoint_id, **{name: getattr(delivery, name) for name in names}}


def attempt_facts(attempt: WebhookAttempt) -> dict[str, Any]:
    """Return what may be told of an attempt at a delivery."""
    names = ("number", "started_at", "latency_ms", "status", "error", "response")
    return {name: getattr(attempt, name) for name in names}
