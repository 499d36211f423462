"""Batches, runs, their attempts and events, and the leases under which workers hold runs."""

from .batch import Batch, BatchQuerySet
from .cache import StoredAnswer
from .lease import Leadership, Lease
from .run import Attempt, AttemptOutcome, Run, RunEvent, RunEventKind, RunQuerySet

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "Batch",
    "BatchQuerySet",
    "Leadership",
    "Lease",
    "Run",
    "RunEvent",
    "RunEventKind",
    "RunQuerySet",
    "StoredAnswer",
]
