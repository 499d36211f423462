"""Names such as `parsed.items[0].price` and how a value under one is read, on SQLite and PostgreSQL.

Every name and number of a path is a bound parameter; nothing of it becomes SQL.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from orjson import dumps
from sqlalchemy import ColumnElement, Float, Integer, Numeric, String, Text, and_, case, cast, func
from sqlalchemy.dialects.postgresql import JSONB

from batches.tables import runs
from workers.errors import InvalidInput

ROOTS = ("parsed", "input")
Path: TypeAlias = tuple[str | int, ...]

_STEP = re.compile(r'\.(?:"(?P<quoted>[^"]*)"|(?P<plain>[^.\[\]"]+))|\[(?P<place>\d{1,9})\]')
# A number as JSON has it, short enough for a double of either database.
_NUMBER = r"^-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,2})?$"
_LARGEST = 10**300


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A place in the parsed answer or in the input of a row: a root of `ROOTS`, then keys and places in lists."""

    root: str
    steps: Path

    def text(self, dialect: str) -> ColumnElement[Any]:
        """Return the value as text: texts as they are, all else as JSON; NULL where there is none."""
        if dialect == "postgresql":
            return self._found(self._column(dialect), "->>")
        column = self._column(dialect)
        value = func.json_extract(column, self._sqlite_path())
        # SQLite has no truth values of its own: they would be 1 and 0, and numbers lose digits beyond the 15th.
        is_plain = self._type().in_(("text", "null"))
        return case((is_plain, cast(value, Text)), else_=column.op("->", return_type=Text())(self._sqlite_path()))

    def number(self, dialect: str) -> ColumnElement[Any]:
        """Return the value as a number, also where a text says one (all columns of a CSV file are texts); else NULL."""
        text = self.text(dialect)
        if dialect == "postgresql":
            value = self._found(self._column(dialect), "->")
            is_double = and_(func.jsonb_typeof(value) == "number", func.abs(cast(value, Numeric)) < _LARGEST)
            return case((is_double, cast(value, Float)), (text.regexp_match(_NUMBER), cast(text, Float)))
        is_number = and_(func.json_valid(text), func.json_type(text).in_(("integer", "real")))
        return case((is_number, cast(text, Float)))

    def json(self, dialect: str) -> ColumnElement[Any]:
        """Return the value as JSON text, by which equal values are equal; NULL where there is none, or null."""
        column = self._column(dialect)
        if dialect == "postgresql":
            return func.nullif(cast(self._found(column, "->"), Text), "null")
        return func.nullif(column.op("->", return_type=Text())(self._sqlite_path()), "null")

    def _column(self, dialect: str) -> ColumnElement[Any]:
        if self.root == "parsed":
            return runs.c.parsed if dialect == "postgresql" else cast(runs.c.parsed, Text)
        return cast(runs.c.input_json, JSONB) if dialect == "postgresql" else runs.c.input_json

    def _type(self) -> ColumnElement[Any]:
        return func.json_type(self._column("sqlite"), self._sqlite_path(), type_=String())

    def _found(self, value: ColumnElement[Any], last: str) -> ColumnElement[Any]:
        """Go down by PostgreSQL's operators, which take half the time of its functions with a list of steps."""
        for place, step in enumerate(self.steps, 1):
            operator = last if place == len(self.steps) else "->"
            of_type: Any = JSONB() if operator == "->" else Text()
            key = cast(step, Integer) if isinstance(step, int) else cast(step, Text)
            value = value.op(operator, return_type=of_type)(key)
        return value

    def _sqlite_path(self) -> str:
        # Keys are compared as they stand in the JSON, with its escapes.
        return "$" + "".join(
            f"[{step}]" if isinstance(step, int) else f".{dumps(step).decode()}" for step in self.steps
        )


def json_path(name: str) -> JsonPath:
    """Parse `parsed.label`, `parsed.items[0].price`, `input."a column. with dots"`. Raises InvalidInput."""
    root = next((root for root in ROOTS if name == root or name[len(root) :][:1] in (".", "[")), "")
    root = root if name.startswith(root) else ""
    rest = name[len(root) :]
    steps: list[str | int] = []
    while root and rest and (match := _STEP.match(rest)):
        place, quoted, plain = match["place"], match["quoted"], match["plain"]
        steps.append(int(place) if place is not None else quoted if quoted is not None else plain)
        rest = rest[match.end() :]
    if not root or rest or not steps:
        raise InvalidInput(f"{name!r} is no place in an answer or input; write parsed.label, parsed.items[0].price, "
                           'input.ticket or input."a name. with dots".')  # fmt: skip
    return JsonPath(root, tuple(steps))
