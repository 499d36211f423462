"""Cells cut so that a table of them fits a terminal."""

from collections.abc import Container, Sequence

from rich.cells import cell_len, chop_cells

from credentials.management.output import EMPTY_CELL, one_line

# Between two columns stand two blanks (credentials.management.output.table).
GAP = 2
NARROWEST = 6
_ELLIPSIS = "…"


def fit(
    headers: Sequence[str], rows: Sequence[Sequence[str | None]], width: int | None, *, whole: Container[str] = ()
) -> list[list[str]]:
    """Return the rows with long cells shortened so that the table is at most `width` cells wide (None: any width).

    Wide characters count as two. The widest columns give way first; none gets narrower than its header or 6 cells, and
    those that are in `whole` stay as they are, so that many columns in a narrow terminal still make long lines.
    """
    cells = [[EMPTY_CELL if text is None or text == "" else one_line(text) for text in row] for row in rows]
    if width is None or not cells:
        return cells
    widths = [
        max(cell_len(header), *(cell_len(text) for text in column))
        for header, column in zip(headers, zip(*cells, strict=True), strict=True)
    ]
    least = [
        wide if header in whole else min(wide, max(NARROWEST, cell_len(header)))
        for wide, header in zip(widths, headers, strict=True)
    ]
    room = width - GAP * (len(headers) - 1)
    limit = _limit(widths, least, room)
    limits = [max(low, min(wide, limit)) for wide, low in zip(widths, least, strict=True)]
    return [[shortened(text, most) for text, most in zip(row, limits, strict=True)] for row in cells]


def least_width(headers: Sequence[str], rows: Sequence[Sequence[str | None]], whole: Container[str]) -> int:
    """Return how wide the table is when every cell is as short as `fit` makes it at most."""
    narrow = fit(headers, rows, 0, whole=whole)
    columns = zip(headers, zip(*narrow, strict=True), strict=True)
    return sum(max(map(cell_len, (header, *column))) for header, column in columns) + GAP * (len(headers) - 1)


def shortened(text: str, width: int) -> str:
    """Return `text` in at most `width` cells; what is cut ends with an ellipsis."""
    if cell_len(text) <= width:
        return text
    return chop_cells(text, max(1, width - 1))[0].rstrip() + _ELLIPSIS


def _limit(widths: Sequence[int], least: Sequence[int], room: int) -> int:
    """Return the width to which the widest columns are cut so that all together take `room`."""
    low, high = NARROWEST, max(widths)
    while low < high:
        middle = (low + high + 1) // 2
        taken = sum(max(least_one, min(wide, middle)) for wide, least_one in zip(widths, least, strict=True))
        low, high = (middle, high) if taken <= room else (low, middle - 1)
    return low
