"""The C library's memory, set so that what large blocks took goes back to the system once they are freed."""

import ctypes
import sys
from typing import Any

# mallopt(3), from malloc.h of the GNU C library.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Blocks of so many bytes or more are mapped one by one: they grow without a copy, and are unmapped when they are freed.
# Otherwise the library raises its bound to the largest block that was ever freed, up to 32 MiB, and keeps the room of
# all below it: 60 answers of 100 MB, cut at 16 MiB, had a worker grow by 78 MB and stay so, at a budget of 32 MiB.
# Above what asyncio takes for every receiving, 256 KiB, which would else be mapped and unmapped for each call.
MAPPED_BYTES = 512 * 1024
# So many free bytes at a heap's end are kept for what comes next. The library's own 128 KiB counts once the bound above
# is set, and is less than one receiving: the heap would shrink and grow with every call. Measured over 6,000 calls: two
# page faults and 0.11 ms CPU a call as the library begins, 0.01 and 0.09 ms with these two.
KEPT_BYTES = 2 * 2**20


def give_back_large_blocks() -> bool:
    """Set this process' C library so; return whether it could be set. One other than GNU's is left as it is."""
    mallopt = getattr(_c_library(), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))


def _c_library() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
