"""What commands print: JSON, plain aligned tables, and text that cannot drive the reader's terminal."""

import contextlib
import datetime as dt
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any

from rich.cells import cell_len

from .colours import Coloured, painted

# Model output and names are hostile: escape sequences (C0, C1), lone surrogates and reordering of text (bidi overrides,
# CVE-2021-42574) never reach a terminal as they are. A carriage return at the end of a line does nothing there.
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]|\r(?!\n)")
_NUMBER = re.compile(r"[-+]?\$?\d[\d,]*(\.\d+)?( ?(%|s|ms))?\Z")
EMPTY_CELL = "-"


@contextlib.contextmanager
def quiet_logs(verbosity: int) -> Iterator[None]:
    """Keep what is no warning out of a command's output, unless the user asked for more (`-v 2`)."""
    root = logging.getLogger()
    before = root.level
    if verbosity < 2:
        root.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(before)


def printable(text: str) -> str:
    """Return `text` with control characters (tabs and ends of lines apart) shown as U+FFFD."""
    return _UNSAFE.sub("\ufffd", text)


def money(dollars: float) -> str:
    """Return US dollars as people write them, small amounts to six places."""
    return f"${dollars:,.2f}" if dollars >= 1000 else f"${dollars:,.6f}"


def one_line(text: str) -> str:
    """Return `text` on one line, safe to print."""
    return printable(" ".join(text.split()))


def to_json(data: Any, *, ascii: bool = False) -> str:
    """Return `data` as indented JSON, with `ascii` in ASCII alone.

    Decimals become numbers, times ISO 8601, dataclasses objects.
    """
    text = json.dumps(data, default=_plain, ensure_ascii=ascii, indent=2)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    empty: str = "None.",
    colours: Mapping[str, Callable[[str], str | None]] | None = None,
) -> str:
    """Return `rows` as aligned plain text under `headers`, columns of numbers to the right; `empty` without rows.

    None is shown as "-", a truth value as yes or no. `colours` tells by header what colour a text of its column has.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    headers = [one_line(header) for header in headers]
    columns = list(zip(*cells, strict=True))
    widths = [
        max(cell_len(text) for text in (header, *column)) for header, column in zip(headers, columns, strict=True)
    ]
    rights = [_is_numeric(column) for column in columns]
    chosen = [(colours or {}).get(header, _no_colour) for header in headers]
    lines = [
        "  ".join(
            painted(_pad(text, width, right), colour(text))
            for text, width, right, colour in zip(line, widths, rights, chosen, strict=True)
        ).rstrip()
        for line in cells
    ]
    titles = [_pad(header.upper(), width, right) for header, width, right in zip(headers, widths, rights, strict=True)]
    text = "\n".join(["  ".join(titles).rstrip(), *lines])
    return Coloured(text) if colours else text


def _no_colour(text: str) -> None:
    """Give no text a colour."""


def _cell(value: Any) -> str:
    if value is None or value == "":
        return EMPTY_CELL
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return one_line(str(value))


def _is_numeric(column: Sequence[str]) -> bool:
    filled = [text for text in column if text != EMPTY_CELL]
    return bool(filled) and all(_NUMBER.match(text) for text in filled)


def _pad(text: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, bytes)):
        return str(value) if isinstance(value, uuid.UUID) else value.decode(errors="replace")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (set, frozenset, Iterable)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
