"""What a worker does when it is told of a batch whose input is to be read."""

import threading
from collections.abc import Callable

import structlog

from batches.publishing import publish_reading

from .claim import ReadingClaim, Stopped, unclaimed, unread
from .reader import BatchReader

log = structlog.get_logger(__name__)

# Inputs that a process reads at once: each holds a chunk of rows, some tens of megabytes, in memory.
READ_AT_ONCE = 4
_places = threading.BoundedSemaphore(READ_AT_ONCE)


def read_inputs(batch_id: int, should_stop: Callable[[], bool]) -> None:
    """Read the input of a batch, then those of others that nobody reads, until `should_stop` or none is left.

    Where the process reads enough already it does nothing: who reads looks for others when he is done.
    """
    if not _places.acquire(blocking=False):
        return
    try:
        waiting = [batch_id]
        while waiting and not should_stop():
            for each in waiting:
                read_input(each, should_stop)
            waiting = unclaimed()
    finally:
        _places.release()


def read_input(batch_id: int, should_stop: Callable[[], bool]) -> bool:
    """Read the input of a batch to its end, unless another process does; return whether this call came to the end.

    What fails unexpectedly, such as a storage that does not answer, is raised, and tried again by another reader when
    the claim has run out.
    """
    claim = ReadingClaim(batch_id)
    if not unread(batch_id).exists() or not claim.take():
        return False
    try:
        batch = unread(batch_id).select_related("owner", "input_file").first()
        if batch is not None:
            BatchReader(batch, claim, should_stop).read()
    except Stopped:
        log.info("batch_reading_stopped", batch_id=batch_id)
        claim.release()
        if should_stop():
            publish_reading([batch_id])
        return False
    claim.release()
    return batch is not None
