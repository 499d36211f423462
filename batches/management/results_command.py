"""`manage.py batches results`: rows of a batch as a table, or what they come to by group."""

import argparse
import os
import re
import shutil
import sys
from typing import Any

from rich.cells import cell_len

from batches.models import Batch
from batches.results import BatchResults
from batches.results.grouping import latency_text
from batches.states import RunState
from credentials.management.output import money, table

from .fitted_table import coloured, fit
from .result_cells import cell, cell_text, filled, parse_columns
from .summary_text import rows_text

LISTED = 20


def add_where(parser: argparse.ArgumentParser) -> None:
    """Declare --where."""
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="E.g. status=failed, latency_ms>2000, output~refund, parsed.label!=spam; several must all hold.",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `batches results` after the batch's id."""
    add_where(parser)
    parser.add_argument("--columns", metavar="A,B", help="Fields of the record, parsed.NAME, input.NAME.")
    parser.add_argument("--limit", type=int, default=LISTED, metavar="N", help=f"Rows to show; {LISTED} unless told.")
    parser.add_argument("--after", type=int, metavar="INDEX", help="Begin after this row.")
    parser.add_argument("--by", metavar="A[,B]", help="Group: code, status, model, latency, parsed.NAME, ...")
    parser.add_argument(
        "--measure", action="append", default=[], metavar="M", help="With --by: count, share, mean(cost), p95(...)."
    )


def results_of(batch: Batch, options: dict[str, Any]) -> tuple[Any, str]:
    """Return what `batches results` shows, as data and as text. Raises InvalidInput."""
    return _groups(batch, options) if options["by"] else _rows(batch, options)


def _rows(batch: Batch, options: dict[str, Any]) -> tuple[Any, str]:
    names = parse_columns(options["columns"], batch)
    results = BatchResults(batch)
    page = results.page(options["after"], options["limit"], where=options["where"])
    total = results.count(where=options["where"])
    chosen = [{name: cell(record, name) for name in names} for record in page.records]
    data = {
        "rows": chosen if options["columns"] else page.records,
        "total": total,
        "next_after": page.next_after,
    }
    rows = [[cell_text(row[name]) for name in names] for row in chosen]
    places = range(len(names)) if options["columns"] else filled(names, rows)
    shown = table_text([names[place] for place in places], [[row[place] for place in places] for row in rows])
    footer = f"{len(rows):,} of {rows_text(total)}"
    if page.next_after is not None:
        footer += f" · next: --after {page.next_after}"
    return data, f"{shown}\n{footer}" if rows else footer


def _groups(batch: Batch, options: dict[str, Any]) -> tuple[Any, str]:
    by = [name.strip() for name in options["by"].split(",")]
    measures = options["measure"] or ["count", "share"]
    answer = BatchResults(batch).aggregate(by, measures, options["where"], options["limit"])
    headers = [*answer.by, *answer.measures]
    rows = [[_group_text(name, row[name]) for name in headers] for row in answer.rows]
    footer = f"{len(rows):,} of {answer.groups:,} groups · {rows_text(answer.total)}"
    return answer, f"{table_text(headers, rows)}\n{footer}" if rows else footer


def _group_text(name: str, value: Any) -> str | None:
    if name == "latency":
        return latency_text(value)
    if name == "share":
        return f"{100 * value:.1f}%"
    if isinstance(value, float):
        return money(value) if name.endswith("(cost)") else f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else cell_text(value)


def table_text(headers: list[str], rows: list[list[str | None]]) -> str:
    """Return rows as a table, cut to the terminal's width where there is one or COLUMNS says one."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal or os.environ.get("COLUMNS") else None
    return table(headers, fit(headers, rows, width))


def colours_are_on() -> bool:
    """Whether standard output is a terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def with_colours(text: str) -> str:
    """Return a table with the states of its column STATUS in their colours, for a terminal."""
    head, *lines = text.split("\n")
    found = re.search(r"(?<!\S)STATUS(?!\S)", head)
    if found is None:
        return text
    start = cell_len(head[: found.start()])
    return "\n".join([head, *(_with_colour(line, start) for line in lines)])


def _with_colour(line: str, start: int) -> str:
    """Colour the state that begins `start` cells from the left: the footer has none there."""
    place = next((place for place in range(len(line)) if cell_len(line[:place]) == start), len(line))
    word = line[place:].split(" ", 1)[0]
    return f"{line[:place]}{coloured(word)}{line[place + len(word) :]}" if word in RunState.values else line
