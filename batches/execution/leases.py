"""Leases: taken when a process begins to hold runs, renewed together by its heartbeat, released when it is done."""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from batches.models import Lease, Run, RunQuerySet
from batches.states import RunState

from .clock import now_plus
from .locking import lock_runs
from .returning import RETURNED_ROWS, hand_back

# A process renews its leases four times in their length, so that it may miss three before its runs are taken from it.
LEASE_SECONDS = settings.ARBORETUM_LEASE_SECONDS
HEARTBEAT_SECONDS = LEASE_SECONDS / 4

Held = tuple[int, int]
"""A run in somebody's hands: its id and the number of the attempt."""


class LeaseLost(Exception):
    """The lease has run out: this process was taken for dead, and must not hold runs under it."""


def open_lease(process: str, batch_id: int | None, *, is_quarantine: bool = False) -> int:
    """Record that `process` begins to hold runs of a batch (None: single runs, or suspects), and return the lease's id.

    `is_quarantine` says that the process holds suspects alone, and is there to be killed by them.
    """
    return Lease.objects.create(
        process=process,
        batch_id=batch_id,
        is_quarantine=is_quarantine,
        created_at=Now(),
        expires_at=now_plus(LEASE_SECONDS),
    ).pk


def require_live(lease_id: int) -> None:
    """Raise LeaseLost where a lease was released or has run out; else keep it until the transaction ends."""
    live = Lease.objects.filter(pk=lease_id, released_at=None, expires_at__gt=Now())
    if not live.select_for_update(no_key=True).exists():
        raise LeaseLost(f"lease {lease_id}")


def renew_leases(lease_ids: Collection[int]) -> tuple[set[int], set[Held]]:
    """Renew leases in one statement; return the ids of those that still live and the runs still held under them.

    A run that is missing was cancelled, or taken away because its lease had run out.
    """
    live = Lease.objects.filter(pk__in=lease_ids, released_at=None)
    live.update(expires_at=now_plus(LEASE_SECONDS))
    leases = set(live.values_list("pk", flat=True))
    return leases, set(held_runs(leases).values_list("pk", "attempt"))


def is_silent(process: str) -> bool:
    """Whether a process has missed three heartbeats in a row, so that its leases run out at the next."""
    late = Lease.objects.filter(process=process, released_at=None, expires_at__lte=now_plus(HEARTBEAT_SECONDS))
    return late.exists()


def held_runs(lease_ids: Collection[int]) -> RunQuerySet:
    """Return the runs that are held under these leases (index `run_held`)."""
    return Run.objects.filter(state=RunState.RUNNING, lease__in=lease_ids)


def release_leases(lease_ids: Collection[int]) -> None:
    """Record that nothing is held under these leases any more; what still is goes back to wait."""
    with transaction.atomic():
        hand_back(held_runs(lease_ids))
        Lease.objects.filter(pk__in=lease_ids, released_at=None).update(released_at=Now())


def return_orphans(orphans: Collection[Held]) -> int:
    """Hand back runs that are held under this process' leases but that it does not know of; return how many.

    A claim whose answer was lost with the connection leaves such runs. Of more than RETURNED_ROWS the first are taken.
    """
    ids = [run_id for run_id, _ in sorted(orphans)[:RETURNED_ROWS]]
    with transaction.atomic():
        lock_runs(ids)
        held = Run.objects.filter(pk__in=ids, state=RunState.RUNNING)
        still = [key[0] for key in held.values_list("pk", "attempt") if key in orphans]
        return hand_back(held.filter(pk__in=still))


def processes_at_work(batch_id: int) -> set[str]:
    """Return the names of the processes that hold a live lease on a batch."""
    live = Lease.objects.filter(batch_id=batch_id, released_at=None, expires_at__gt=Now())
    return set(live.values_list("process", flat=True))
