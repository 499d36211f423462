"""What the routes of webhooks take and show."""

from datetime import datetime
from typing import Annotated, Any

from ninja.params.models import Path
from pydantic import Field

from batches.models import DeliveryState, EventType, WebhookDelivery, WebhookEndpoint
from batches.webhooks.facts import attempt_facts, delivery_facts, endpoint_facts
from credentials.api.native import Given, PageRequest, Shown

LARGEST_ID = 2**63 - 1
WebhookId = Annotated[int, Path(..., ge=1, le=LARGEST_ID, description="The webhook's id.", examples=[1])]
DeliveryId = Annotated[int, Path(..., ge=1, le=LARGEST_ID, description="The delivery's id.", examples=[12])]
_URL = "Where events are sent, by POST."
_EVENTS = "What it is told of."
_EXAMPLE = "https://hooks.example.com/arboretum"


class NewWebhook(Given):
    """A webhook to be created."""

    url: str = Field(max_length=2048, description=_URL, examples=[_EXAMPLE])
    events: list[EventType] = Field(min_length=1, max_length=100, description=_EVENTS, examples=[["batch.completed"]])
    description: str = Field("", max_length=200, description="What it is for.", examples=["nightly reports"])


class WebhookChanges(Given):
    """What is to be changed; what is left out stays."""

    url: str = Field("", max_length=2048, description=_URL, examples=[_EXAMPLE])
    events: list[EventType] = Field([], min_length=1, max_length=100, description=_EVENTS, examples=[["run.failed"]])
    description: str = Field("", max_length=200, description="What it is for.", examples=["nightly reports"])
    is_active: bool = Field(True, description="False: nothing more is sent to it, until it is true again.")


class WebhookShown(Shown):
    """A webhook's endpoint."""

    id: int = Field(description="Its id.", examples=[1])
    url: str = Field(description=_URL, examples=[_EXAMPLE])
    events: list[EventType] = Field(description=_EVENTS, examples=[["batch.completed"]])
    description: str = Field(description="What it is for.", examples=[""])
    state: str = Field(description="`active` or `disabled`.", examples=["active"])
    disabled_reason: str = Field(description="Why it is disabled.", examples=[""])
    failing_since: datetime | None = Field(description="No attempt has succeeded since; null: the last one did.")
    created_at: datetime = Field(description="When it was created.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, **more: Any) -> "WebhookShown":
        """Show `endpoint`."""
        return cls(**endpoint_facts(endpoint), **more)


class WebhookWithSecret(WebhookShown):
    """A webhook's endpoint with its new secret."""

    secret: str | None = Field(
        description="What its signatures are made with, shown this once; null where the request is sent again with "
        "its Idempotency-Key.",
        examples=["whsec_..."],
    )


class DeliveryFilters(PageRequest):
    """Which deliveries to list."""

    state: DeliveryState | None = Field(None, description="Only those in this state.")


class DeliveryShown(Shown):
    """One event on its way to one webhook."""

    id: int = Field(description="Its id.", examples=[12])
    endpoint: int = Field(description="The webhook's id.", examples=[1])
    event_id: str = Field(description="The same in every attempt: receivers tell twins by it.", examples=["msg_4f0c"])
    event_type: str = Field(description="What happened; `webhook.test` where a test was asked for.")
    state: DeliveryState = Field(description="`pending`, `delivered`, or `failed` after the last attempt.")
    attempts: int = Field(description="How many there were.", examples=[1])
    next_attempt_at: datetime | None = Field(description="When it is tried next; null where it is not.")
    created_at: datetime = Field(description="When it happened.")
    delivered_at: datetime | None = Field(description="When it was answered with 2xx.")

    @classmethod
    def of(cls, delivery: WebhookDelivery, **more: Any) -> "DeliveryShown":
        """Show `delivery`."""
        return cls(**delivery_facts(delivery), **more)


class AttemptShown(Shown):
    """One attempt at a delivery."""

    number: int = Field(description="From 1.", examples=[1])
    started_at: datetime = Field(description="When it began.")
    latency_ms: int | None = Field(description="How long it took; null while it is made, or where its sender died.")
    status: int | None = Field(description="HTTP status of the answer.", examples=[200])
    error: str = Field(description="Why there was no answer.", examples=[""])
    response: str = Field(description="The answer's beginning, 1,000 characters at most.", examples=["ok"])


class DeliveryDetails(DeliveryShown):
    """A delivery with what is sent, and its attempts."""

    payload: str = Field(description="The body, as it is signed.")
    tries: list[AttemptShown] = Field(description="Its attempts, the first first.")

    @classmethod
    def whole(cls, delivery: WebhookDelivery) -> "DeliveryDetails":
        """Show `delivery` with its attempts."""
        tries = [AttemptShown(**attempt_facts(attempt)) for attempt in delivery.tries.all()]
        return cls(**delivery_facts(delivery), payload=delivery.payload, tries=tries)
