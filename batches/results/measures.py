"""What an aggregate question measures: `count`, `share`, `sum(cost)`, `mean(latency_ms)`, `p95(latency_ms)`."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, cast

from workers.errors import InvalidInput

from .fields import NUMBER_FIELDS, Field, Kind, named_field
from .json_paths import JsonPath

PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
_MEASURE = re.compile(r"(?P<of>sum|mean|p50|p90|p95|p99)\((?P<field>.+)\)")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: `of` is count, share, sum, mean or a percentile; the first two have no field."""

    text: str
    of: str
    field: Field | JsonPath | None = None

    def value(self, dialect: str) -> ColumnElement[Any]:
        """Return the measured number of a row in SQL."""
        assert self.field is not None
        if isinstance(self.field, JsonPath):
            return self.field.number(dialect)
        return self.field.expression


def parse_measure(text: str) -> Measure:
    """Parse a measure. Raises InvalidInput naming what is allowed."""
    if text in ("count", "share"):
        return Measure(text, text)
    if match := _MEASURE.fullmatch(text):
        field = named_field(match["field"])
        if isinstance(field, JsonPath) or field.kind is Kind.NUMBER:
            return Measure(text, match["of"], field)
    raise InvalidInput(
        f"measure {text!r}: allowed are count, share, and sum, mean, {', '.join(PERCENTILES)} of "
        f"{', '.join(NUMBER_FIELDS)}, parsed.NAME or input.NAME; e.g. mean(cost)."
    )


def as_float(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a sum as a double, whatever the summed type makes of it."""
    return cast(column, Float)
