"""Summaries of whole batches, which read every row, kept once a batch has ended."""

from django.core.cache import cache

from batches.models import Batch
from batches.results import BatchSummary, BatchResults
from batches.states import TERMINAL_BATCH_STATES

KEPT_SECONDS = 24 * 3600


def summary_of(batch: Batch) -> BatchSummary:
    """Return the summary of `batch`; the caller has checked that the reader may see it."""
    if batch.state not in TERMINAL_BATCH_STATES:
        return BatchResults(batch).summary()
    # A retry of failed rows starts the batch again and moves `updated_at`.
    key = f"batch-summary:{batch.pk}:{batch.updated_at.timestamp()}"
    return cache.get_or_set(key, lambda: BatchResults(batch).summary(), KEPT_SECONDS)
