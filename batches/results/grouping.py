"""What an aggregate question groups by: fields of a row, places in its answer or input, or ranges of latency."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
from sqlalchemy import ColumnElement, case

from batches.tables import runs
from workers.errors import InvalidInput

from .fields import FIELDS, did_you_mean
from .json_paths import ROOTS, json_path

GROUPED_FIELDS = ("code", "category", "status", "model", "cached", "attempts")
# Lower ends in milliseconds of the ranges of latency: 1, 2, 5 in each power of ten, as on a logarithmic scale.
LATENCY_STARTS = (0, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to tell rows apart. `read` turns a key as the database gives it into the answer's."""

    name: str
    key: ColumnElement[Any]
    of_version: bool
    read: Callable[[Any], Any]
    ordered: bool


def parse_grouping(name: str, dialect: str) -> Grouping:
    """Return the grouping of a name. Raises InvalidInput naming what is allowed."""
    if name == "latency":
        return Grouping(name, _latency_start(), False, _same, True)
    if name in GROUPED_FIELDS:
        field = FIELDS[name]
        read = _truth if name == "cached" else _same
        return Grouping(name, field.expression, field.of_version, read, name == "attempts")
    if name.startswith(tuple(f"{root}{mark}" for root in ROOTS for mark in ".[")):
        return Grouping(name, json_path(name).json(dialect), False, _value, False)
    hint, known = did_you_mean(name, (*GROUPED_FIELDS, "latency")), ", ".join(GROUPED_FIELDS)
    raise InvalidInput(f"by {name!r}{hint}: allowed are {known}, latency, parsed.NAME and input.NAME.")


def latency_text(start: int | None) -> str | None:
    """Return a range of latency as people write it, from its lower end: `500 to 1,000 ms`."""
    if start is None:
        return None
    place = LATENCY_STARTS.index(start) + 1
    return f"{start:,} to {LATENCY_STARTS[place]:,} ms" if place < len(LATENCY_STARTS) else f"from {start:,} ms"


def _latency_start() -> ColumnElement[Any]:
    whens = [(runs.c.latency_ms < end, start) for start, end in pairwise(LATENCY_STARTS)]
    return case((runs.c.latency_ms.is_(None), None), *whens, else_=LATENCY_STARTS[-1])


def _same(value: Any) -> Any:
    return value


def _truth(value: Any) -> bool:
    return bool(value)


def _value(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
