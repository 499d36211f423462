"""The columns of a table of results: which there are, and a record's value in each."""

from collections.abc import Sequence
from typing import Any

import orjson

from batches.models import Batch
from batches.results import ResultRecord
from batches.results.fields import did_you_mean
from batches.results.flat import output_schema
from batches.results.json_paths import ROOTS, Path, json_path
from workers.errors import InvalidInput

_OF_ERROR = {"code": "code", "category": "category", "message": "message"}
_OF_USAGE = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
_PLAIN = (
    "index", "custom_id", "status", "output", "parsed", "error", "attempts", "usage", "cost", "latency_ms", "agent",
    "version", "model", "input", "cached",
)  # fmt: skip
COLUMNS = (*_PLAIN, *_OF_ERROR, *_OF_USAGE)
# Shown where none are asked for; those of them that are empty in all rows are left out.
USUAL = ("index", "custom_id", "status", "code", "output", "latency_ms", "cost")


def parse_columns(text: str | None, batch: Batch) -> list[str]:
    """Return the names in a list with commas, by default the usual ones. Raises InvalidInput for an unknown one."""
    if text is None:
        properties = (output_schema(batch) or {}).get("properties")
        fields = [f"parsed.{name}" for name in properties] if isinstance(properties, dict) else ["output"]
        return [name for usual in USUAL for name in (fields if usual == "output" else [usual])]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in COLUMNS:
            _path(name)
    return names


def cell(record: ResultRecord, name: str) -> Any:
    """Return a record's value in a column; None where there is none."""
    if name in _OF_ERROR:
        return record["error"] and record["error"][name]  # type: ignore[literal-required]
    if name in _OF_USAGE:
        return record["usage"][name]  # type: ignore[literal-required]
    if name in _PLAIN:
        return record[name]  # type: ignore[literal-required]
    root, steps = _path(name)
    return _follow(record[root], steps)  # type: ignore[literal-required]


def cell_text(value: Any) -> str | None:
    """Return a value as a cell shows it: texts as they are, money without exponent, all else as JSON."""
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def filled(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
    """Return the places of the columns that some row has a value in; without rows all."""
    return [place for place in range(len(names)) if not rows or any(row[place] is not None for row in rows)]


def _path(name: str) -> tuple[str, Path]:
    if not name.startswith(ROOTS):
        hint, known = did_you_mean(name, COLUMNS), ", ".join(COLUMNS)
        raise InvalidInput(f"--columns: there is no column {name!r}{hint}; allowed: {known}, parsed.NAME, input.NAME.")
    path = json_path(name)
    return path.root, path.steps


def _follow(value: Any, steps: Path) -> Any:
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
