"""Giving back runs that were taken and never started: as if they had never been taken."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest

from batches.models import Run, RunQuerySet
from batches.states import RunState

from .claims import ClaimedRun
from .clock import now_plus
from .locking import in_chunks, lock_runs


def unclaim(runs: Sequence[ClaimedRun], seconds: float = 0.0) -> int:
    """Let runs wait again that no call was made for, for `seconds` at least, their attempt uncounted.

    Rows of batches are pending then, single runs queued. Returns how many still were ours: the token is that of the
    claim, so a run that was taken away meanwhile is left alone.
    """
    tokens: dict[int, list[int]] = {}
    for run in runs:
        tokens.setdefault(run.token, []).append(run.id)
    with transaction.atomic():
        lock_runs([run.id for run in runs])
        return sum(
            _uncount(Run.objects.filter(pk__in=chunk, token=token), seconds)
            for token, ids in tokens.items()
            for chunk in in_chunks(ids)
        )


def uncount(run_ids: Sequence[int]) -> None:
    """Let runs wait again that no call was made for, their attempt uncounted, in the transaction that locked them."""
    for chunk in in_chunks(run_ids):
        _uncount(Run.objects.filter(pk__in=chunk), 0.0)


def _uncount(runs: RunQuerySet, seconds: float) -> int:
    return runs.filter(state=RunState.RUNNING).update(
        state=Case(When(batch=None, then=Value(RunState.QUEUED)), default=Value(RunState.PENDING)),
        attempt=Greatest(F("attempt") - 1, 0),
        # No attempt is left that could have started it.
        started_at=Case(When(attempt__gt=1, then=F("started_at"))),
        lease=None,
        token=None,
        not_before=now_plus(seconds) if seconds else None,
    )
