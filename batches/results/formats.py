"""The formats of an export: names, media types, and who encodes them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from workers.errors import InvalidInput

from .csv_format import encode_csv
from .flat import Layout
from .parquet_format import encode_parquet, require_pyarrow
from .records import encoded_records
from .selection import ResultRow
from .versions import VersionLabels

Pieces = Iterable[Sequence[ResultRow]]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format: its name, which is also the ending of a file, its media type, and its encoder."""

    name: str
    media_type: str
    encode: Callable[[Pieces, VersionLabels, Layout], Iterator[bytes]]


def _encode_jsonl(pieces: Pieces, labels: VersionLabels, layout: Layout) -> Iterator[bytes]:
    return (encoded_records(piece, labels) for piece in pieces)


FORMATS = {
    format.name: format
    for format in (
        ExportFormat("csv", "text/csv; charset=utf-8", encode_csv),
        ExportFormat("jsonl", "application/jsonl; charset=utf-8", _encode_jsonl),
        ExportFormat("parquet", "application/vnd.apache.parquet", encode_parquet),
    )
}


def export_format(name: str) -> ExportFormat:
    """Return a format. Raises InvalidInput where it is unknown or its library is not installed."""
    if name not in FORMATS:
        raise InvalidInput(f"format is {name!r}; allowed: {', '.join(FORMATS)}.")
    if name == "parquet":
        require_pyarrow()
    return FORMATS[name]


def format_of_path(path: PurePath) -> str:
    """Return the format that a file's ending asks for. Raises InvalidInput where it says none."""
    name = path.suffix.lower().removeprefix(".")
    if name == "ndjson":
        return "jsonl"
    if name not in FORMATS:
        endings = ", ".join(f".{known}" for known in FORMATS)
        raise InvalidInput(f"{path.name}: the ending tells no format; end it with one of {endings}.")
    return name
