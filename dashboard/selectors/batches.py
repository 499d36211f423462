"""Batches and their results, as the pages show them. Counts come from the batch's row, never from its runs."""

from dataclasses import dataclass

from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Left

from batches.models import Batch, Run
from batches.states import ACTIVE_BATCH_STATES, BatchState, RunState
from credentials.models import User
from dashboard.paging import PAGE_SIZE, KeyPage, key_page

EXCERPT_CHARACTERS = 240
_VERSION = ("agent_version__agent", "agent_version__credential")


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The failed runs of a batch that share an error code, with one of them as the example."""

    code: str
    count: int
    example: Run


def visible_batches(user: User) -> QuerySet[Batch]:
    """Return the batches that `user` may see, newest first, with what a line about one needs."""
    return Batch.objects.visible_to(user).select_related(*_VERSION, "owner").order_by("-id")


def batch_page(
    user: User, *, state: str | None = None, before: int | None = None, limit: int = PAGE_SIZE
) -> KeyPage[Batch]:
    """Return a page of the batches that `user` may see, newest first, those older than batch `before`."""
    batches = visible_batches(user)
    if state:
        batches = batches.filter(state=state)
    if before is not None:
        batches = batches.filter(id__lt=before)
    return key_page(list(batches[: limit + 1]), "id", limit)


def active_batches(user: User, limit: int) -> list[Batch]:
    """Return at most `limit` batches in progress, newest first."""
    return list(visible_batches(user).filter(state__in=ACTIVE_BATCH_STATES)[:limit])


def error_groups(user: User, batch: Batch) -> list[ErrorGroup]:
    """Return the batch's failures by code, the most frequent first. Reads the index of failed runs alone."""
    if not batch.failed:
        return []
    failed = Run.objects.visible_to(user).filter(batch=batch, state=RunState.FAILED)
    counts = list(failed.order_by().values("error_code").annotate(count=Count("id"), first=Min("id")))
    examples = _excerpts(Run.objects.visible_to(user).filter(id__in=[group["first"] for group in counts])).in_bulk()
    groups = [ErrorGroup(group["error_code"] or "", group["count"], examples[group["first"]]) for group in counts]
    return sorted(groups, key=lambda group: (-group.count, group.code))


def result_page(
    user: User,
    batch: Batch,
    *,
    state: str | None = None,
    code: str | None = None,
    after: int | None = None,
    limit: int = PAGE_SIZE,
) -> KeyPage[Run]:
    """Return a page of the batch's runs in input order, after row `after`, with the beginnings of their texts.

    A code narrows to failed runs. Each run has `input_excerpt`, `output_excerpt` and `error_excerpt`.
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
    return key_page(list(_excerpts(runs).order_by("id")[: limit + 1]), "index", limit)


def _may_have(batch: Batch, state: str) -> bool:
    ended = {
        RunState.SUCCEEDED: batch.succeeded,
        RunState.FAILED: batch.failed,
        RunState.CANCELLED: batch.cancelled,
        RunState.EXPIRED: batch.expired,
    }
    return ended.get(RunState(state), batch.remaining) > 0


def _excerpts(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return `runs` without their long texts, which may be megabytes each, but with the beginnings of them."""
    return runs.defer("input_json", "output", "parsed", "error_message").annotate(
        input_excerpt=Left("input_json", EXCERPT_CHARACTERS),
        output_excerpt=Left("output", EXCERPT_CHARACTERS),
        error_excerpt=Left("error_message", EXCERPT_CHARACTERS),
    )


BATCH_STATES = [str(state) for state in BatchState]
RUN_STATES = [str(state) for state in RunState]
