"""The ids of batches and of the files that they write: `batch_7`, `file-batch-7-output`, `file-batch-7-error`."""

import re

OUTPUT, ERRORS = "output", "error"
_BATCH = re.compile(r"batch_([1-9][0-9]{0,17})\Z", re.ASCII)
_FILE = re.compile(r"file-batch-([1-9][0-9]{0,17})-(output|error)\Z", re.ASCII)


def batch_id(pk: int) -> str:
    """Return the id by which the API names a batch."""
    return f"batch_{pk}"


def batch_pk(public_id: str) -> int | None:
    """Return the key of the batch that the API calls `public_id`; None where no batch can be called so."""
    found = _BATCH.match(public_id)
    return int(found[1]) if found else None


def file_id(pk: int, kind: str) -> str:
    """Return the id of a batch's file, its OUTPUT or its ERRORS."""
    return f"file-batch-{pk}-{kind}"


def file_key(public_id: str) -> tuple[int, str] | None:
    """Return the batch's key and the kind of the file `public_id`; None where it is no id of such a file."""
    found = _FILE.match(public_id)
    return (int(found[1]), found[2]) if found else None
