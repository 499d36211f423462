"""Leases: taken when a process begins to hold runs, renewed together by its heartbeat, released when it is done."""

from collections.abc import Collection

from django.conf import settings
from django.db.models.functions import Now

from batches.models import Lease, Run
from batches.publishing import live_worker_names
from batches.states import RunState

from .clock import now_plus

# A process renews its leases four times in their length, so that it may miss three before its runs are taken from it.
LEASE_SECONDS = settings.ARBORETUM_LEASE_SECONDS
HEARTBEAT_SECONDS = LEASE_SECONDS / 4


def open_lease(process: str, batch_id: int | None) -> int:
    """Record that `process` begins to hold runs of a batch (None: single runs), and return the lease's id."""
    return Lease.objects.create(
        process=process, batch_id=batch_id, created_at=Now(), expires_at=now_plus(LEASE_SECONDS)
    ).pk


def renew_leases(process: str) -> tuple[set[int], set[int]]:
    """Renew all leases of `process` in one statement; return the ids of its live leases and of the runs it still holds.

    A run that is missing was cancelled, or taken away because its lease had run out.
    """
    live = Lease.objects.filter(process=process, released_at=None)
    live.update(expires_at=now_plus(LEASE_SECONDS))
    leases = set(live.values_list("pk", flat=True))
    held = Run.objects.filter(state=RunState.RUNNING, lease__in=leases)
    return leases, set(held.values_list("pk", flat=True))


def release_leases(lease_ids: Collection[int]) -> None:
    """Record that nothing is held under these leases any more."""
    Lease.objects.filter(pk__in=lease_ids, released_at=None).update(released_at=Now())


def other_workers_idle(process: str, batch_id: int) -> bool:
    """Return whether a live process other than `process` holds no lease on the batch."""
    at_work = Lease.objects.filter(batch_id=batch_id, released_at=None, expires_at__gt=Now())
    return bool(live_worker_names() - {process} - set(at_work.values_list("process", flat=True)))
