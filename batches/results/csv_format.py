"""Results as CSV: RFC 4180, UTF-8, and no cell that a spreadsheet would run as a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .flat import NO_TEXTS, Layout, flat_rows
from .selection import ResultRow
from .versions import VersionLabels

# What spreadsheets take for the start of a formula (OWASP, CSV injection); a plain number is none.
_FORMULA_STARTS = frozenset("=+-@\t\r")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def encode_csv(pieces: Iterable[Sequence[ResultRow]], labels: VersionLabels, layout: Layout) -> Iterator[bytes]:
    """Yield a header and a line a row; None is an empty cell. A cell like a formula gets an apostrophe before it."""
    yield _encode([[guarded(name) for name in layout.names]])
    texts = [place for place, name in enumerate(layout.names) if name not in NO_TEXTS]
    money, cached = layout.names.index("cost"), layout.names.index("cached")
    for piece in pieces:
        rows = flat_rows(piece, labels, layout)
        for values in rows:
            values[money] = plain(values[money])
            values[cached] = "true" if values[cached] else "false"
            for place in texts:
                text = values[place]
                if text and text[0] in _FORMULA_STARTS:
                    values[place] = guarded(text)
        yield _encode(rows)


def guarded(text: str) -> str:
    """Return `text` with an apostrophe before it where it begins like a formula."""
    return f"'{text}" if text[:1] in _FORMULA_STARTS and not _NUMBER.fullmatch(text) else text


def plain(number: float) -> str:
    """Return an amount of money without an exponent, to nine places."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _encode(rows: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    # Two characters end a line, so that a cell which holds either of them is quoted.
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
