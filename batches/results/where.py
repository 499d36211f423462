"""Conditions on rows, as people write them: `status=failed`, `latency_ms>2000`, `output~refund`, `parsed.label!=spam`.

A condition is a field, an operator and a value. `=` and `!=` take several values, split at commas; `null` stands for
no value; a value in double quotes is taken as it is. `~` asks whether a text is contained, whatever its case. Rows
without a value differ from every value, and are neither greater nor less.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, func, not_, or_

from batches.ids import MAX_BATCH_ROWS, batch_run_id
from batches.tables import runs
from workers.errors import InvalidInput

from .fields import Field, Kind, named_field
from .json_paths import JsonPath

Where: TypeAlias = str | Sequence[str] | None

_CONDITION = re.compile(
    r'(?P<field>(?:[^=!<>~"]|"[^"]*")+?)\s*(?P<operator>!=|!~|>=|<=|=|<|>|~)(?P<value>.*)', re.DOTALL
)
# What no database takes in a text.
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
# What a value of a condition is as a number, and what JSON has as one: `007` and `1_000` are texts there.
_WRITTEN_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Digits that a double keeps: of longer numbers, such as ids, several are the same double.
_EXACT_DIGITS = 15
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_ALLOWED = {
    Kind.TEXT: ("=", "!=", "~", "!~"),
    Kind.NUMBER: ("=", "!=", *_ORDERS),
    Kind.TRUTH: ("=", "!="),
}
_EVERY = ("=", "!=", "~", "!~", *_ORDERS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `values` are texts, numbers, truth values or None, as the field's kind has them."""

    text: str
    field: Field | JsonPath
    operator: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The field's name, empty for a place in JSON."""
        return self.field.name if isinstance(self.field, Field) else ""

    @property
    def of_version(self) -> bool:
        """Whether it needs what is known of the row's agent version."""
        return isinstance(self.field, Field) and self.field.of_version

    def expression(self, batch_id: int, dialect: str) -> ColumnElement[bool]:
        """Return the condition in SQL, for rows of a batch."""
        if isinstance(self.field, JsonPath):
            return self._of_json(self.field, dialect)
        if self.name == "index" and self.operator in _ORDERS:
            return self._of_index(batch_id)
        if self.name == "index" and self.operator == "=":
            places = [int(value) for value in self.values if value in range(MAX_BATCH_ROWS)]
            return runs.c.id.in_([batch_run_id(batch_id, place) for place in places])
        return self._compared(self.field.expression, self.values, dialect)

    def _compared(self, column: ColumnElement[Any], values: tuple[Any, ...], dialect: str) -> ColumnElement[bool]:
        if self.operator in _ORDERS:
            ordered: ColumnElement[bool] = _ORDERS[self.operator](column, values[0])
            return ordered
        is_part = self.operator in ("~", "!~")
        found = _contains(column, values[0], dialect) if is_part else _any_of(column, values)
        return found if self.operator in ("=", "~") else not_(func.coalesce(found, False))

    def _of_index(self, batch_id: int) -> ColumnElement[bool]:
        """Compare the key, which says the place: rows outside are not read at all."""
        # Between two places lies none, and all beyond the last compare alike.
        place = math.floor(min(max(self.values[0], -1), MAX_BATCH_ROWS))
        if self.operator in (">", "<=") or place == self.values[0]:
            compare = _ORDERS[self.operator]
        else:
            compare = operator.gt if self.operator == ">=" else operator.le
        found: ColumnElement[bool] = compare(runs.c.id, batch_run_id(batch_id, 0) + place)
        return found

    def _of_json(self, path: JsonPath, dialect: str) -> ColumnElement[bool]:
        if self.operator in _ORDERS:
            return self._compared(path.number(dialect), self.values, dialect)
        text = self._compared(path.text(dialect), self.values, dialect)
        numbers = tuple(number for value in self.values if value and (number := _equal_number(value)) is not None)
        if not numbers or self.operator in ("~", "!~"):
            return text
        # 3 is also 3.0, in JSON as in a column of text.
        by_number = self._compared(path.number(dialect), numbers, dialect)
        return or_(text, by_number) if self.operator == "=" else and_(text, by_number)


def parse_where(given: Where) -> tuple[Condition, ...]:
    """Return the conditions of one text or several. Raises InvalidInput naming the condition and what is allowed."""
    texts = [] if given is None else [given] if isinstance(given, str) else given
    return tuple(parse_condition(text) for text in texts)


def parse_condition(text: str) -> Condition:
    """Parse one condition. Raises InvalidInput."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None or _UNUSABLE.search(text):
        raise InvalidInput(f"where {text!r}: write FIELD, one of {' '.join(_EVERY)}, and a value; e.g. status=failed.")
    try:
        field = named_field(match["field"])
        return Condition(text, field, match["operator"], _values(field, match["operator"], match["value"].strip()))
    except InvalidInput as error:
        raise InvalidInput(f"where {text!r}: {error}") from None


def _values(field: Field | JsonPath, operator: str, text: str) -> tuple[Any, ...]:
    if isinstance(field, Field) and operator not in _ALLOWED[field.kind]:
        allowed = " ".join(_ALLOWED[field.kind])
        raise InvalidInput(f"{field.name} is a {field.kind.value} and is compared by {allowed}.")
    if operator in _ORDERS:
        return (_number(text),)
    if operator in ("~", "!~"):
        return (_unquoted(text),)
    return tuple(_value(field, part) for part in _split(text))


def _value(field: Field | JsonPath, text: str) -> Any:
    if text == "null":
        return None
    if isinstance(field, Field) and field.kind is Kind.NUMBER:
        return _number(text)
    if isinstance(field, Field) and field.kind is Kind.TRUTH:
        if text not in ("true", "false"):
            raise InvalidInput(f"{text!r} is neither true nor false.")
        return text == "true"
    value = _unquoted(text)
    if isinstance(field, Field) and field.allowed and value not in field.allowed:
        raise InvalidInput(f"{field.name} is {value!r}; allowed: {', '.join(sorted(field.allowed))}.")
    return value


def _split(text: str) -> list[str]:
    """Split at commas, but for those in double quotes, which stay around their value."""
    return re.findall(r'(?:^|,)("[^"]*"|[^,]*)', text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _number(text: str) -> float:
    number = _number_of(text)
    if number is None:
        raise InvalidInput(f"{text!r} is no number.")
    return number


def _number_of(text: str) -> float | None:
    """Return a finite number: whole ones exactly."""
    if not _WRITTEN_NUMBER.fullmatch(text):
        return None
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,15}", text) else float(text)
    return number if math.isfinite(number) else None


def _equal_number(text: str) -> float | None:
    """Return the number that `text` is in JSON, whose other forms are equal to it; None where no double is that."""
    digits = re.split("[eE]", text)[0].translate({ord(sign): None for sign in "-."}).strip("0")
    return _number_of(text) if _JSON_NUMBER.fullmatch(text) and len(digits) <= _EXACT_DIGITS else None


def _any_of(column: ColumnElement[Any], values: tuple[Any, ...]) -> ColumnElement[bool]:
    given = [value for value in values if value is not None]
    equal = [column == given[0]] if len(given) == 1 else [column.in_(given)] if given else []
    return or_(*equal, *([column.is_(None)] if None in values else []))


def _contains(column: ColumnElement[Any], text: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        found: ColumnElement[bool] = func.strpos(func.lower(column), func.lower(text)) > 0
        return found
    # A function of ours (`batches.results.engine`): SQLite's own know the case of ASCII letters only.
    return func.contains_text(column, text.casefold()) == 1
