"""A run's id says its place: `batch id * 2^24 + index` in a batch, a time of creation otherwise (ADR 3).

Rows of a batch so lie side by side in the primary key: they are paged, exported and partitioned by a range of ids,
no row can be inserted twice, and no second unique index is needed. Ids stay below 2^53, as JSON clients need.
"""

import threading
import time
from datetime import UTC, datetime

BATCH_SPAN = 2**24
MAX_BATCH_ROWS = BATCH_SPAN
SINGLE_BASE = 2**52
# Microseconds are counted from 2026-01-01T00:00:00Z; 2^51 of them are 71 years.
_EPOCH_SECONDS = 1_767_225_600

_lock = threading.Lock()
_last = 0


# Ids stay below 2^53.
LATEST_SINGLE = 2**53


def batch_run_id(batch_id: int, index: int) -> int:
    """Return the id of row `index` (from 0) of a batch. Raises ValueError outside the span."""
    if not 0 <= index < MAX_BATCH_ROWS:
        raise ValueError(f"a batch holds at most {MAX_BATCH_ROWS} rows")
    return batch_id * BATCH_SPAN + index


def batch_id_range(batch_id: int) -> tuple[int, int]:
    """Return the first id of a batch's rows, and the first id after them."""
    return batch_id * BATCH_SPAN, (batch_id + 1) * BATCH_SPAN


def single_run_id() -> int:
    """Return an id for a run without a batch: microseconds, increasing within the process.

    Two processes can draw the same microsecond; the insert then fails on the primary key and is tried again.
    """
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000 - _EPOCH_SECONDS * 1_000_000)
        return SINGLE_BASE + _last


def single_ids_from(moment: datetime) -> int:
    """Return the least id of a single run that was created at `moment` (aware) or later."""
    # Whole microseconds: a float of seconds would lose some.
    since = moment - datetime.fromtimestamp(_EPOCH_SECONDS, UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return min(max(SINGLE_BASE, SINGLE_BASE + microseconds), LATEST_SINGLE)


def single_run_seconds(run_id: int) -> float:
    """Return when a run without a batch was made, in seconds since 1970."""
    return (run_id - SINGLE_BASE) / 1_000_000 + _EPOCH_SECONDS
