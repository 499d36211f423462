"""`manage.py batches export`: results to a file, or to a folder in parts that a later call goes on with."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batches.models import Batch
from batches.results import FORMATS, BatchResults
from batches.results.folder import PART_ROWS
from workers.errors import InvalidInput

from .results_command import add_where

_OF_FILE = ("where", "state", "code")
_OF_FOLDER = ("part_rows", "format", "follow")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, as data and in words."""

    facts: dict[str, Any]
    text: str


def add_export(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `batches export` after the batch's id."""
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--output", type=Path, metavar="FILE", help=".jsonl, .csv or .parquet")
    target.add_argument("--to", type=Path, metavar="FOLDER", help="Files of rows and a manifest; may be repeated.")
    parser.add_argument("--state", action="append", default=[], help="Only rows in this state.")
    parser.add_argument("--code", action="append", default=[], help="Only rows that failed with this code.")
    add_where(parser)
    parser.add_argument(
        "--part-rows", type=int, metavar="N", help=f"With --to: rows a file, {PART_ROWS:,} unless told."
    )
    parser.add_argument("--format", choices=list(FORMATS), help="With --to: jsonl unless told.")
    parser.add_argument("--follow", action="store_true", help="With --to: go on until the batch has ended.")


def export_results(batch: Batch, options: dict[str, Any]) -> Exported:
    """Write results as `options` say. Raises InvalidInput, also for options of the other kind of target."""
    to_folder = options["to"] is not None
    for name in _OF_FILE if to_folder else _OF_FOLDER:
        if options[name]:
            target = "--output" if to_folder else "--to"
            raise InvalidInput(f"--{name.replace('_', '-')} goes with {target}.")
    return _to_folder(batch, options) if to_folder else _to_file(batch, options)


def _to_file(batch: Batch, options: dict[str, Any]) -> Exported:
    path = options["output"]
    rows = BatchResults(batch).export(path, state=options["state"], code=options["code"], where=options["where"])
    return Exported({"id": batch.pk, "rows": rows, "output": str(path)}, f"Wrote {rows:,} results to {path}.")


def _to_folder(batch: Batch, options: dict[str, Any]) -> Exported:
    folder = options["to"]
    done = BatchResults(batch).export_folder(
        folder, options["format"] or "jsonl", part_rows=options["part_rows"], follow=options["follow"]
    )
    facts = {
        "id": batch.pk,
        "folder": str(folder),
        "rows": done.rows,
        "parts": done.parts,
        "written": done.written,
        "complete": done.complete,
    }
    text = f"Wrote {done.written} of {done.parts} parts; {folder} holds {done.rows:,} results"
    return Exported(facts, f"{text}, all there are." if done.complete else f"{text} so far: the same call goes on.")
