"""A table that reads well in a terminal and is Markdown at the same time."""

from collections.abc import Sequence


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a pipe table with padded columns. A cell that repeats the one above it at a line's beginning is empty."""
    cells = [list(head), *_without_repeats([[_cell(text) for text in line] for line in lines])]
    widths = [max(len(line[place]) for line in cells) for place in range(len(head))]
    rows = [_row(line, widths) for line in cells]
    return "\n".join([rows[0], _row(["-" * width for width in widths], widths), *rows[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _without_repeats(lines: list[list[str]]) -> list[list[str]]:
    shortened = []
    for above, line in zip([[], *lines], lines, strict=False):
        same = 0
        while same < min(len(above), len(line)) and above[same] == line[same]:
            same += 1
        shortened.append(["" if place < same else text for place, text in enumerate(line)])
    return shortened
