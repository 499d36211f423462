"""Noting events: the deliveries are written in the transaction that brings the event about, so none is ever lost.

To be called in that transaction. Where nobody wants to be told it costs one short query.
"""

import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models.functions import Now

from batches.models import Batch, Run
from batches.models.webhook import EventType, WebhookDelivery, WebhookEndpoint, WebhookEndpointQuerySet
from batches.publishing import publish_webhooks
from batches.states import RunState

_COUNTS = ("total", "succeeded", "failed", "cancelled", "expired")
_RUN_EVENTS = {RunState.SUCCEEDED: EventType.RUN_COMPLETED, RunState.FAILED: EventType.RUN_FAILED}


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that an attempt has ended: which attempt, how, and why where it failed."""

    run_id: int
    attempt: int
    batch_id: int | None
    state: RunState
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event for one owner, ready to be sent."""

    id: str
    type: str
    owner_id: int
    data: Mapping[str, Any]

    @property
    def payload(self) -> str:
        """Return the body that is sent: that of OpenAI's webhooks, with more in `data`."""
        body = {"id": self.id, "object": "event", "type": self.type, "created_at": int(time.time()), "data": self.data}
        return orjson.dumps(body).decode()


def new_event_id() -> str:
    """Return the id of an event that happens this once."""
    return f"msg_{uuid.uuid4().hex}"


def note_batch_event(batch_id: int, event_type: EventType) -> None:
    """Note that a batch has come to the state that `event_type` names, which its row says by now.

    Called by who changed the state by compare-and-set, hence once.
    """
    wanting = WebhookEndpoint.objects.filter(is_active=True, owner__batches=batch_id)
    endpoints = [endpoint for endpoint in _slim(wanting) if event_type in endpoint.events]
    if not endpoints:
        return
    batch = Batch.objects.get(pk=batch_id)
    data = {
        "id": f"batch_{batch.pk}",
        "batch": batch.pk,
        "name": batch.name,
        "state": batch.state,
        "reason": batch.state_reason,
        "counts": {name: getattr(batch, name) for name in _COUNTS},
    }
    write_deliveries([Event(new_event_id(), event_type, batch.owner_id, data)], endpoints)


def note_run_events(ended: Iterable[EndedRun]) -> None:
    """Note how runs ended: single ones, and rows of batches that tell of their rows (`Batch.tells_rows`).

    Only what succeeded or failed is told. An attempt ends a run once, so its event's id follows from it.
    """
    told = {run.run_id: run for run in ended if run.state in _RUN_EVENTS}
    if not told:
        return
    active = WebhookEndpoint.objects.filter(is_active=True)
    if not active.exists():
        return
    batches = {run.batch_id for run in told.values() if run.batch_id is not None}
    telling = set(Batch.objects.filter(pk__in=batches, tells_rows=True).values_list("pk", flat=True)) if batches else ()
    ids = [run.run_id for run in told.values() if run.batch_id is None or run.batch_id in telling]
    rows = list(Run.objects.filter(pk__in=ids).values("id", "owner", "batch", "index", "custom_id")) if ids else []
    if rows:
        endpoints = _slim(active.filter(owner__in={row["owner"] for row in rows}))
        write_deliveries([_run_event(told[row["id"]], row) for row in rows], list(endpoints))


def write_deliveries(events: Sequence[Event], endpoints: Sequence[WebhookEndpoint]) -> None:
    """Write a delivery of each event to each endpoint of its owner that wants it, and have them sent after the commit.

    One that is there already stays as it is.
    """
    deliveries = [
        WebhookDelivery(
            endpoint_id=endpoint.pk,
            event_id=event.id,
            event_type=event.type,
            payload=event.payload,
            next_attempt_at=Now(),
            created_at=Now(),
        )
        for event in events
        for endpoint in endpoints
        if endpoint.owner_id == event.owner_id and event.type in endpoint.events
    ]
    if deliveries:
        WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
        publish_webhooks({delivery.endpoint_id for delivery in deliveries})


def _slim(endpoints: WebhookEndpointQuerySet) -> WebhookEndpointQuerySet:
    return endpoints.order_by().only("pk", "owner_id", "events")


def _run_event(run: EndedRun, row: Mapping[str, Any]) -> Event:
    event_type = _RUN_EVENTS[run.state]
    data = {"id": str(run.run_id), "run": run.run_id, "state": run.state, "error_code": run.error_code}
    if row["batch"] is not None:
        data |= {"batch": row["batch"], "index": row["index"], "custom_id": row["custom_id"]}
    seed = f"{event_type} {run.run_id} {run.attempt}".encode()
    return Event(f"msg_{hashlib.sha256(seed).hexdigest()[:32]}", event_type, row["owner"], data)
