"""Keeping the store of answers within its bound: what has expired goes, then the oldest."""

import secrets

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now

from batches.models import StoredAnswer

from .leadership import lead

# The store is looked over this often by one of all processes: its size is added up over an index, 0.1 s for 1,000,000
# answers. So long it may be larger than its bound.
EVICT_SECONDS = 15.0
CHUNK = 1000
MOST_CHUNKS = 50
# Down to this share of the bound, so that not every round has something to do.
LEFT_SHARE = 0.95


def evict_answers() -> int:
    """Delete stored answers that have expired, then the oldest while the store is too large; return how many."""
    # Nobody renews this leadership, so it is free again when the time is over.
    if not lead(secrets.token_hex(8), "answers", EVICT_SECONDS):
        return 0
    return evict_expired() + evict_oldest(settings.ARBORETUM_CACHE_BYTES)


def evict_expired() -> int:
    """Delete answers whose time is over, a bounded number; return how many."""
    number = 0
    for _ in range(MOST_CHUNKS):
        expired = StoredAnswer.objects.filter(expires_at__lte=Now()).order_by("expires_at")
        deleted = _delete(list(expired.values_list("pk", flat=True)[:CHUNK]))
        number += deleted
        if deleted < CHUNK:
            break
    return number


def evict_oldest(most_bytes: int) -> int:
    """Delete the oldest answers where all together have more than `most_bytes`; return how many."""
    size = StoredAnswer.objects.aggregate(size=Sum("bytes"))["size"] or 0
    surplus = size - round(most_bytes * LEFT_SHARE) if size > most_bytes else 0
    number = 0
    for _ in range(MOST_CHUNKS):
        if surplus <= 0:
            break
        oldest: list[str] = []
        for key, its_bytes in StoredAnswer.objects.order_by("created_at").values_list("pk", "bytes")[:CHUNK]:
            if surplus <= 0:
                break
            oldest.append(key)
            surplus -= its_bytes
        number += _delete(oldest)
    return number


def _delete(keys: list[str]) -> int:
    # In the order in which answers are written, so that nobody deadlocks.
    return StoredAnswer.objects.filter(pk__in=sorted(keys)).delete()[0] if keys else 0
