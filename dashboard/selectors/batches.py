"""Batches and their results, as the pages show them. Counts come from the batch's row, never from its runs."""

from django.core.cache import cache
from django.db.models import QuerySet
from django.db.models.functions import Left

from batches.models import Batch, Run
from batches.results import BatchResults, ErrorGroup, Latency
from batches.states import ACTIVE_BATCH_STATES, TERMINAL_BATCH_STATES, BatchState, RunState
from dashboard.paging import PAGE_SIZE, KeyPage, key_page

from . import Reader

EXCERPT_CHARACTERS = 240
KEPT_SECONDS = 24 * 3600
_VERSION = ("agent_version__agent", "agent_version__credential")


def visible_batches(user: Reader) -> QuerySet[Batch]:
    """Return the batches that `user` may see, newest first, with what a line about one needs."""
    return Batch.objects.visible_to(user).select_related(*_VERSION, "owner").order_by("-id")


def batch_page(
    user: Reader, *, state: str | None = None, before: int | None = None, limit: int = PAGE_SIZE
) -> KeyPage[Batch]:
    """Return a page of the batches that `user` may see, newest first, those older than batch `before`."""
    batches = visible_batches(user)
    if state:
        batches = batches.filter(state=state)
    if before is not None:
        batches = batches.filter(id__lt=before)
    return key_page(list(batches[: limit + 1]), "id", limit)


def active_batches(user: Reader, limit: int) -> list[Batch]:
    """Return at most `limit` batches in progress, newest first."""
    return list(visible_batches(user).filter(state__in=ACTIVE_BATCH_STATES)[:limit])


def error_groups(batch: Batch) -> list[ErrorGroup]:
    """Return the failures of `batch`, which the caller has found visible, by code; the most frequent first."""
    return BatchResults(batch).errors() if batch.failed else []


def latency(batch: Batch) -> Latency | None:
    """Return the latency of `batch`, which the caller has found visible. Reads every row, but once it has ended."""
    if batch.state not in TERMINAL_BATCH_STATES:
        return BatchResults(batch).latency()
    # A retry of failed rows starts the batch again and moves `updated_at`.
    key = f"batch-latency:{batch.pk}:{batch.updated_at.timestamp()}"
    kept: Latency | None = cache.get_or_set(key, lambda: BatchResults(batch).latency(), KEPT_SECONDS)
    return kept


def result_page(
    user: Reader,
    batch: Batch,
    *,
    state: str | None = None,
    code: str | None = None,
    after: int | None = None,
    limit: int = PAGE_SIZE,
) -> KeyPage[Run]:
    """Return a page of the batch's runs in input order, after row `after`, with the beginnings of their texts.

    A code narrows to failed runs.
    """
    state = RunState.FAILED if code else state
    if state and not _may_have(batch, state):
        return KeyPage([], None)
    runs = Run.objects.visible_to(user).of_batch(batch.pk)
    if state:
        runs = runs.filter(state=state)
    if state in (RunState.FAILED, RunState.PENDING):
        # With the batch's column these states have an index of their own.
        runs = runs.filter(batch=batch)
    if code:
        runs = runs.filter(error_code=code)
    if after is not None:
        runs = runs.filter(id__gt=batch.run_ids[0] + after)
    return key_page(list(with_excerpts(runs).order_by("id")[: limit + 1]), "index", limit)


def _may_have(batch: Batch, state: str) -> bool:
    ended = {
        RunState.SUCCEEDED: batch.succeeded,
        RunState.FAILED: batch.failed,
        RunState.CANCELLED: batch.cancelled,
        RunState.EXPIRED: batch.expired,
    }
    return ended.get(RunState(state), batch.remaining) > 0


def with_excerpts(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return `runs` without their long texts, which may be megabytes each, but with the beginnings of them.

    Each has `input_excerpt`, `output_excerpt` and `error_excerpt`.
    """
    return runs.defer("input_json", "output", "parsed", "error_message").annotate(
        input_excerpt=Left("input_json", EXCERPT_CHARACTERS),
        output_excerpt=Left("output", EXCERPT_CHARACTERS),
        error_excerpt=Left("error_message", EXCERPT_CHARACTERS),
    )


BATCH_STATES = [str(state) for state in BatchState]
RUN_STATES = [str(state) for state in RunState]
# Only single runs are queued.
ROW_STATES = [state for state in RUN_STATES if state != RunState.QUEUED]
