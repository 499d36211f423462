"""Files of answers: a JSONL or JSON file of them, or a column of a CSV or JSONL file that holds them."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.files import read_text
from agents.llm.structured import extract_json
from workers.errors import InvalidInput

MAX_BYTES = 64 * 1024 * 1024
ENDINGS = (".jsonl", ".json", ".csv")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in a file: its row (from 1, without a header), and its value, or the text to read it from."""

    row: int
    value: Any = None
    text: str | None = None


def example_values(name: str) -> Iterator[Any]:
    """Yield the answers in `FILE` or `FILE#COLUMN`. Raises InvalidInput naming the first row that is no JSON."""
    for answer in answers_in(name):
        try:
            yield answer.value if answer.text is None else json.loads(extract_json(answer.text))
        except (ValueError, RecursionError):
            raise InvalidInput(f"{name}: row {answer.row} is not JSON: {(answer.text or '')[:60]!r}") from None


def answers_in(name: str) -> Iterator[Answer]:
    """Yield the answers in `FILE` (`.jsonl`, `.json`) or `FILE#COLUMN` (`.csv`, `.jsonl`, `.json`), row by row.

    A JSON file holds a list of answers, or one. In a column, rows without a value are left out, and texts are what a
    model said: JSON, whatever stands around it. Raises InvalidInput for a file that holds none of this, and
    OSError with the file's name.
    """
    path, column = _parted(name)
    if path.suffix.lower() not in ENDINGS:
        raise InvalidInput(f"{path} must end in one of: {', '.join(ENDINGS)}")
    rows = _RECORDS[path.suffix.lower()](read_text(str(path), MAX_BYTES))
    if column is not None:
        return _column(rows, path, column)
    if path.suffix.lower() == ".csv":
        raise InvalidInput(f"{path} has columns: name the one that holds the answers, as in {path.name}#output")
    return rows


def _parted(name: str) -> tuple[Path, str | None]:
    """Return the file and the column of `FILE#COLUMN`; a file whose own name holds a # is taken for what it is."""
    file, sign, column = name.rpartition("#")
    if not sign or Path(name).expanduser().exists():
        return Path(name).expanduser(), None
    return Path(file).expanduser(), column


def _jsonl(text: str) -> Iterator[Answer]:
    # Not splitlines: JSON may hold U+2028 and its like.
    for row, line in enumerate((line for line in text.split("\n") if line.strip()), 1):
        yield _parsed(row, line)


def _json(text: str) -> Iterator[Answer]:
    whole = _parsed(1, text)
    if not isinstance(whole.value, list):
        yield whole
        return
    for row, value in enumerate(whole.value, 1):
        yield Answer(row, value)


def _csv(text: str) -> Iterator[Answer]:
    # Answers may be long; the limit is the process', whoever sets it.
    csv.field_size_limit(max(MAX_BYTES, csv.field_size_limit()))
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row, record in enumerate(reader, 1):
            yield Answer(row, record)
    except csv.Error as error:
        raise InvalidInput(f"line {reader.reader.line_num} is no CSV: {error}") from None


_RECORDS = {".jsonl": _jsonl, ".json": _json, ".csv": _csv}


def _column(rows: Iterator[Answer], path: Path, column: str) -> Iterator[Answer]:
    found = False
    for row in rows:
        if not isinstance(row.value, dict):
            raise InvalidInput(f"{path}: row {row.row} has no columns, so no '{column}'")
        found = found or column in row.value
        value = row.value.get(column)
        if value is None or value == "":
            continue
        yield Answer(row.row, text=value) if isinstance(value, str) else Answer(row.row, value)
    if not found:
        raise InvalidInput(f"{path} has no column '{column}'")


def _parsed(row: int, text: str) -> Answer:
    try:
        return Answer(row, json.loads(text))
    except (ValueError, RecursionError):
        return Answer(row, text=text)
