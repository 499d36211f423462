"""`manage.py batches results`: rows of a batch as a table, or what they come to by group."""

import argparse
import os
import shutil
import sys
from typing import Any

from batches.models import Batch
from batches.results import BatchResults
from batches.results.fields import NUMBER_FIELDS
from batches.results.grouping import latency_text
from batches.states import RunState
from credentials.management.colours import Coloured, wants_colour
from credentials.management.output import money, one_line, table

from .fitted_table import fit, least_width
from .result_cells import cell, cell_text, filled, parse_columns
from .summary_text import rows_text
from .tones import state_colour

LISTED = 20
_COLOURS = {"status": state_colour(RunState)}
# A part of a state or a number is none.
_WHOLE = frozenset((*_COLOURS, *NUMBER_FIELDS))
# Usual columns that a narrow terminal goes without, the first of them first.
_FIRST_TO_GO = ("latency_ms", "cost", "custom_id")


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
    """Return what `batches results` shows, as data and as text fit for standard output. Raises InvalidInput."""
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
    places = list(range(len(names))) if options["columns"] else filled(names, rows)
    left_out = [] if options["columns"] or not rows else _narrowed(names, rows, places)
    shown = table_text([names[place] for place in places], [[row[place] for place in places] for row in rows])
    footer = f"{len(rows):,} of {rows_text(total)}"
    if page.next_after is not None:
        footer += f" · next: --after {page.next_after}"
    if left_out:
        footer += f"\nToo narrow for {', '.join(left_out)}; choose with --columns."
    if not total and options["where"]:
        footer = f"No row matches; batch {batch.pk} has {rows_text(batch.total)}."
    return data, Coloured(f"{shown}\n{footer}" if rows else footer)


def _narrowed(names: list[str], rows: list[list[str | None]], places: list[int]) -> list[str]:
    """Take out of `places` the columns that a narrow terminal goes without; return their names."""
    width, left_out = _width(), []
    for name in _FIRST_TO_GO:
        chosen = [[row[place] for place in places] for row in rows]
        if width is None or least_width([names[place] for place in places], chosen, _WHOLE) <= width:
            break
        if names.index(name) in places:
            places.remove(names.index(name))
            left_out.append(name)
    return left_out


def _groups(batch: Batch, options: dict[str, Any]) -> tuple[Any, str]:
    by = [name.strip() for name in options["by"].split(",")]
    measures = options["measure"] or ["count", "share"]
    answer = BatchResults(batch).aggregate(by, measures, options["where"], options["limit"])
    headers = [*answer.by, *answer.measures]
    rows = [[_group_text(name, row[name]) for name in headers] for row in answer.rows]
    footer = f"{len(rows):,} of {answer.groups:,} groups · {rows_text(answer.total)}"
    return answer, Coloured(f"{table_text(headers, rows)}\n{footer}" if rows else footer)


def _group_text(name: str, value: Any) -> str | None:
    if name == "latency":
        return latency_text(value)
    if name == "share":
        return f"{100 * value:.1f}%"
    if isinstance(value, float):
        return money(value) if name.endswith("(cost)") else f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else cell_text(value)


def table_text(headers: list[str], rows: list[list[str | None]]) -> str:
    """Return rows as a table, cut to the terminal's width where there is one or COLUMNS says one; states have colours.

    They are whole, as numbers are, for a part of one has none and says another thing.
    """
    names = [one_line(header) for header in headers]
    return table(
        names, fit(names, rows, _width(), whole=_WHOLE), colours=_COLOURS if wants_colour(sys.stdout) else None
    )


def _width() -> int | None:
    is_told = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return shutil.get_terminal_size().columns if is_told else None
