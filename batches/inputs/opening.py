"""Opens an input file: tells CSV from JSONL by the name's ending, else by the first line."""

import stat
from pathlib import Path
from typing import get_args

from workers.errors import InvalidInput

from .csv_file import CsvFile
from .jsonl_file import JsonlFile
from .lines import open_bytes
from .types import InputFile, InputFormat

_ENDINGS: dict[str, InputFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_FORMATS = ", ".join(get_args(InputFormat))


def open_input(path: Path, *, format: InputFormat | None = None) -> InputFile:
    """Return the input file at `path`, its header read and checked.

    `format` overrides what the ending (.csv, .tsv, .jsonl, .ndjson) and then the content tell. Raises InvalidInput
    where the path is no readable regular file (it is read twice), the format is unclear, or the header is unusable.
    """
    _require_regular(path)
    if format is not None and format not in get_args(InputFormat):
        raise InvalidInput(f"format is {format!r}; allowed: {_FORMATS}.")
    kind = format or _ENDINGS.get(path.suffix.lower()) or _format_by_content(path)
    return CsvFile(path) if kind == "csv" else JsonlFile(path)


def _require_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path.name}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if not stat.S_ISREG(mode):
        raise InvalidInput(f"{path.name}: is not a regular file.")


def _format_by_content(path: Path) -> InputFormat:
    with open_bytes(path) as file:
        start = file.read(64 * 1024).lstrip()
    if start.startswith(b"{"):
        return "jsonl"
    if start.startswith(b"["):
        raise InvalidInput(
            f"{path.name}: is a JSON array; JSONL holds one object a line, without brackets around them."
        )
    if not start:
        raise InvalidInput(f"{path.name}: is empty.")
    if any(delimiter in start.split(b"\n", 1)[0] for delimiter in (b",", b";", b"\t")):
        return "csv"
    raise InvalidInput(f"{path.name}: neither its ending nor its first line tells the format; name one of {_FORMATS}.")
