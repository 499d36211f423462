"""Many runs at once: locked in the order of their ids, and named in statements that both databases take."""

from collections.abc import Collection, Iterator

from django.db import connection

from batches.models import Run

# SQLite takes 32,766 parameters a statement unless it was built for more (https://www.sqlite.org/limits.html, 9).
CHUNK_ROWS = 5_000


def in_chunks(ids: Collection[int]) -> Iterator[list[int]]:
    """Yield `ids` in their order, at most CHUNK_ROWS at a time."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK_ROWS):
        yield ordered[start : start + CHUNK_ROWS]


def lock_runs(ids: Collection[int]) -> None:
    """Lock runs in the order of their ids, as everybody does who changes many, so that nobody deadlocks.

    To be called in a transaction. On SQLite, where there is one writer at a time, nothing needs to be done.
    """
    if connection.features.has_select_for_update:
        for chunk in in_chunks(ids):
            list(Run.objects.filter(pk__in=chunk).order_by("id").select_for_update().values_list("pk"))
