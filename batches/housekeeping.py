"""Housekeeping: what is deleted when nobody can need it any more."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from credentials.idempotency import prune_idempotency_keys

from .models import Lease, WebhookDelivery

# Released leases explain what a worker did; after this long nobody asks.
LEASES_KEPT = timedelta(days=7)
# Longer than anybody looks for a lost event, and than a receiver keeps the ids that it has seen.
DELIVERIES_KEPT = timedelta(days=30)
PRUNED_ROWS = 10_000
# One transaction deletes so many, with what hangs on them.
_ROWS_AT_ONCE = 1_000


def prune() -> dict[str, int]:
    """Delete what is older than is kept, at most PRUNED_ROWS of a kind; return how many, by kind."""
    leases = Lease.objects.filter(released_at__lt=timezone.now() - LEASES_KEPT)
    deliveries = WebhookDelivery.objects.filter(created_at__lt=timezone.now() - DELIVERIES_KEPT)
    return {
        "leases": _delete(leases),
        "webhook_deliveries": _delete(deliveries),
        "idempotency_keys": prune_idempotency_keys(),
    }


def _delete(rows: "models.QuerySet[Any]") -> int:
    ids = list(rows.order_by().values_list("pk", flat=True)[:PRUNED_ROWS])
    for first in range(0, len(ids), _ROWS_AT_ONCE):
        rows.model._default_manager.filter(pk__in=ids[first : first + _ROWS_AT_ONCE]).delete()
    return len(ids)
