"""What worker logs tell: how often a batch was completed."""

from pathlib import Path

import orjson


def completions(folder: Path, batch_id: int) -> int:
    """Return how often any worker whose log lies in `folder` said that it ended the batch."""
    return sum(_said(path, batch_id) for path in folder.glob("*.log"))


def _said(path: Path, batch_id: int) -> int:
    lines = (line for line in path.read_bytes().splitlines() if b"batch_finished" in line)
    return sum(1 for line in lines if _is_of(line, batch_id))


def _is_of(line: bytes, batch_id: int) -> bool:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:  # cut by a kill
        return False
    return bool(said.get("event") == "batch_finished" and said.get("batch_id") == batch_id)
