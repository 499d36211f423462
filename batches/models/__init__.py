"""Batches, runs, their attempts and events, and the leases under which workers hold runs."""

from .batch import Batch, BatchQuerySet
from .cache import StoredAnswer
from .file import File, FilePurpose, FileQuerySet, FileStatus
from .lease import Leadership, Lease
from .run import Attempt, AttemptOutcome, Run, RunEvent, RunEventKind, RunQuerySet
from .webhook import DeliveryState, EventType, WebhookAttempt, WebhookDelivery, WebhookEndpoint

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "Batch",
    "BatchQuerySet",
    "DeliveryState",
    "EventType",
    "File",
    "FilePurpose",
    "FileQuerySet",
    "FileStatus",
    "Leadership",
    "Lease",
    "Run",
    "RunEvent",
    "RunEventKind",
    "RunQuerySet",
    "StoredAnswer",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
