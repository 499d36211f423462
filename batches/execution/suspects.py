"""Suspects: waiting runs that a process died with. They run only with each other, in slices that halve at each crash.

A run's `crash_slice` says how many runs were in the hands of the process that died with it last. It may run with half
as many others, so a run that kills processes is alone after log2 of the first number: 1,000 runs in hand make ten runs
of it, the first included.
"""

from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from batches.models import Run, RunQuerySet
from batches.states import RunState

from .claims import ClaimedRun, runnable_batches, take
from .clock import now_plus
from .leases import require_live


def slice_size(crash_slice: int) -> int:
    """Return how many suspects that were last among `crash_slice` runs may run together: half, and one at least."""
    return max(1, crash_slice // 2)


def takeable_suspects(within: float = 0.0) -> RunQuerySet:
    """Return the suspects that may be taken now, or in `within` seconds (index `run_suspect`)."""
    due = Q(not_before=None) | Q(not_before__lte=now_plus(within) if within else Now())
    may_run = Q(state=RunState.QUEUED) | Q(state=RunState.PENDING, batch__in=runnable_batches())
    rows = Run.objects.filter(due, may_run, crash_slice__isnull=False, finished_at=None)
    return rows.order_by("crash_slice", "id")


def has_suspects(within: float = 0.0) -> bool:
    """Return whether any suspect may be taken now, or in `within` seconds."""
    return takeable_suspects(within).exists()


def claim_slice(lease_id: int, most: int, *, smallest: bool = False) -> list[ClaimedRun]:
    """Take one slice of at most `most` suspects, of any batches and single runs; none where nobody may be taken now.

    It begins with the largest group, or with `smallest` with the smallest, and what that leaves free is filled from the
    next. The largest first lets the many innocent runs of a dead process out quickly; whoever takes slices has to ask
    for the smallest now and then, or processes that go on dying elsewhere would keep the last few suspects waiting for
    ever. Raises LeaseLost where the lease lives no more.
    """
    with transaction.atomic():
        require_live(lease_id)
        order = "crash_slice" if smallest else "-crash_slice"
        first = takeable_suspects().order_by(order).values_list("crash_slice", flat=True).first()
        if first is None:
            return []
        rows = takeable_suspects().order_by(order, "id").select_for_update(skip_locked=True)
        found = list(rows.values_list("id", "crash_slice")[: min(most, slice_size(first))])
        return take(fitting(found), lease_id)


def fitting(found: Sequence[tuple[int, int | None]]) -> list[int]:
    """Return the ids of the first suspects (id, crash_slice) that may run together: so many as each of them allows."""
    ids: list[int] = []
    most = len(found)
    for run_id, crash_slice in found:
        most = min(most, slice_size(crash_slice or 1))
        if len(ids) >= most:
            break
        ids.append(run_id)
    return ids


def startable(run_ids: Collection[int], token: int) -> set[int]:
    """Return those of the runs taken with `token` that are still ours and whose batch, if any, may run."""
    may_run = Q(batch=None) | Q(batch__in=runnable_batches())
    mine = Run.objects.filter(may_run, pk__in=run_ids, token=token, state=RunState.RUNNING)
    return set(mine.values_list("pk", flat=True))
