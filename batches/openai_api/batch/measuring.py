"""How many bytes the files of a batch have: counted once all its rows have ended, by one process."""

import secrets
import time
from collections.abc import Iterator

import structlog

from batches.execution.finalizing import ending_batch
from batches.execution.leadership import lead
from batches.models import Batch, Leadership

from .ids import ERRORS, OUTPUT
from .lines import file_lines

log = structlog.get_logger(__name__)

# Who counts and has died is followed by another after so long.
CLAIM_SECONDS = 10.0
_RENEW_SECONDS = 2.0
# Between groups of lines other threads of the process get a turn: they run the calls of models.
REST_SECONDS = 0.0002


def measure_files(batch_id: int) -> bool:
    """Count the bytes of a batch's files, if all its rows have ended; return whether it may be wound up now.

    It may not while another process counts, which winds it up then.
    """
    batch = ending_batch(batch_id).exclude(endpoint="").filter(output_bytes=None).first()
    if batch is None:
        return True
    holder, name = secrets.token_hex(16), f"measure:{batch_id}"
    if not lead(holder, name, CLAIM_SECONDS):
        return False
    try:
        return _measure(batch, holder, name)
    except Exception as error:
        # A size that nobody knows is no reason not to end a batch.
        log.exception("batch_files_not_measured", batch_id=batch_id, error=type(error).__name__)
        return True
    finally:
        Leadership.objects.filter(name=name, holder=holder).delete()


def _measure(batch: Batch, holder: str, name: str) -> bool:
    sizes = {OUTPUT: 0, ERRORS: 0}
    renewed = time.monotonic()
    for kind, lines in _written(batch):
        sizes[kind] += len(lines)
        time.sleep(REST_SECONDS)
        if time.monotonic() - renewed > _RENEW_SECONDS:
            renewed = time.monotonic()
            if not lead(holder, name, CLAIM_SECONDS):
                return False
    # Asked anew: a batch may have been cancelled meanwhile, and ends with the same rows. Rows that were run again have
    # changed what was counted; that batch does not end.
    ending_batch(batch.pk).filter(output_bytes=None).update(output_bytes=sizes[OUTPUT], error_bytes=sizes[ERRORS])
    return True


def _written(batch: Batch) -> Iterator[tuple[str, bytes]]:
    if batch.succeeded:
        yield from ((OUTPUT, lines) for lines in file_lines(batch, OUTPUT))
    if batch.done > batch.succeeded:
        yield from ((ERRORS, lines) for lines in file_lines(batch, ERRORS))
