"""Runs, as the pages show them."""

from dataclasses import dataclass

from django.db.models import QuerySet

from batches.ids import SINGLE_BASE
from batches.models import Attempt, Run, RunEvent
from dashboard.paging import PAGE_SIZE, KeyPage, key_page

from . import Reader
from .batches import with_excerpts

MOST_ATTEMPTS = 100
MOST_EVENTS = 500
_VERSION = ("agent_version__agent", "agent_version__credential")


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A run's attempts, and its events in order; the newest of each where there are very many."""

    attempts: list[Attempt]
    events: list[RunEvent]


def visible_runs(user: Reader) -> QuerySet[Run]:
    """Return the runs that `user` may see, with their agent and model."""
    return Run.objects.visible_to(user).select_related(*_VERSION, "batch", "owner")


def single_run_page(
    user: Reader, *, state: str | None = None, before: int | None = None, limit: int = PAGE_SIZE
) -> KeyPage[Run]:
    """Return a page of the runs without a batch, newest first, those older than run `before`."""
    # The range of ids leads straight to them, past any number of batch rows.
    runs = Run.objects.visible_to(user).select_related(*_VERSION).filter(batch=None, id__gte=SINGLE_BASE)
    if state:
        runs = runs.filter(state=state)
    if before is not None:
        runs = runs.filter(id__lt=before)
    return key_page(list(with_excerpts(runs).order_by("-id")[: limit + 1]), "id", limit)


def run_history(user: Reader, run: Run) -> RunHistory:
    """Return what happened in `run`."""
    attempts = Attempt.objects.visible_to(user).filter(run=run).order_by("-number")[:MOST_ATTEMPTS]
    events = RunEvent.objects.visible_to(user).filter(run=run).order_by("-id")[:MOST_EVENTS]
    return RunHistory(list(attempts)[::-1], list(events)[::-1])
