"""Housekeeping: what is deleted when nobody can need it any more."""

from datetime import timedelta

from django.utils import timezone

from credentials.idempotency import prune_idempotency_keys

from .models import Lease

# Released leases explain what a worker did; after this long nobody asks.
LEASES_KEPT = timedelta(days=7)
PRUNED_ROWS = 10_000


def prune() -> dict[str, int]:
    """Delete released leases older than LEASES_KEPT, at most PRUNED_ROWS of them; return how many, by kind.

    What `prune_idempotency_keys` deletes goes too.
    """
    old = Lease.objects.filter(released_at__lt=timezone.now() - LEASES_KEPT)
    ids = list(old.values_list("pk", flat=True)[:PRUNED_ROWS])
    Lease.objects.filter(pk__in=ids).delete()
    return {"leases": len(ids), "idempotency_keys": prune_idempotency_keys()}
