"""JSONL: one JSON object a line, whose top-level keys are the columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from workers.errors import InvalidInput
from workers.json_values import MAX_DEPTH, has_nul, may_lose_digits, may_repeat_key, strict_reason, survey

from .header import bad_name
from .lines import LineTooLong, not_utf8, open_bytes, read_line
from .types import (
    CUSTOM_ID,
    MAX_COLUMNS,
    MAX_CUSTOM_ID_LENGTH,
    NUL_REASON,
    InputFile,
    InputRow,
    RowProblem,
    cell_too_large,
    row_too_large,
)

_KINDS = {list: "an array", str: "a text", bool: "true or false", int: "a number", float: "a number"}


class JsonlFile(InputFile):
    """A JSONL file."""

    format = "jsonl"

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        super().__init__(path)
        self._names: dict[str, None] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of all rows read so far, in order of their first appearance: complete after a whole pass."""
        return tuple(self._names)

    def entries(self) -> Iterator[InputRow | RowProblem]:
        """Yield rows and problems, line by line."""
        limit, line = self.limits.row, 0
        with open_bytes(self.path) as file:
            while True:
                line += 1
                try:
                    raw = read_line(file, limit)
                except LineTooLong:
                    yield RowProblem(line, None, row_too_large(self.limits))
                    continue
                if not raw:
                    return
                if not raw.isspace():
                    yield self._entry(line, raw)

    def _entry(self, line: int, raw: bytes) -> InputRow | RowProblem:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return RowProblem(line, None, self._unreadable(line, raw, error))
        if type(value) is not dict:
            kind = _KINDS.get(type(value), "null")
            return RowProblem(line, None, f"is {kind}; each line must be an object such as " + '{"name": "value"}')
        if problem := self._problem(line, raw, value):
            return problem
        if not self._names.keys() >= value.keys() and (reason := self._learn_names(line, value)):
            return RowProblem(line, None, reason)
        custom_id = value.get(CUSTOM_ID)
        if custom_id is None or custom_id == "":
            return InputRow(line, None, value)
        return self._with_custom_id(line, custom_id, value)

    def _with_custom_id(self, line: int, custom_id: Any, value: dict[str, Any]) -> InputRow | RowProblem:
        if type(custom_id) is int:
            custom_id = str(custom_id)
        if type(custom_id) is not str:
            return RowProblem(line, CUSTOM_ID, "must be a text or a whole number")
        if len(custom_id) > MAX_CUSTOM_ID_LENGTH:
            return RowProblem(line, CUSTOM_ID, f"is longer than {MAX_CUSTOM_ID_LENGTH} characters")
        return InputRow(line, custom_id, value)

    def _learn_names(self, line: int, value: dict[str, Any]) -> str | None:
        """Add names that no row had before; return what is wrong with one of them."""
        new = [name for name in value if name not in self._names]
        for name in new:
            if reason := bad_name(name):
                return f"the name of a column {reason}"
        if len(self._names) + len(new) > MAX_COLUMNS:
            raise InvalidInput(
                f"{self.path.name}: line {line}: over {MAX_COLUMNS} different keys; no more are allowed."
            )
        self._names.update(dict.fromkeys(new))
        return None

    def _unreadable(self, line: int, raw: bytes, error: orjson.JSONDecodeError) -> str:
        """Return why a line is no JSON. Raises InvalidInput where its bytes are not UTF-8."""
        try:
            raw.decode()
        except UnicodeDecodeError as encoding:
            raise not_utf8(self.path.name, line, encoding) from None
        if "surrogate" in error.msg:
            return f"holds half of a surrogate pair, which is no character, at character {error.colno}"
        return f"is not valid JSON: {error.msg}, at character {error.colno}"

    def _problem(self, line: int, raw: bytes, value: dict[str, Any]) -> RowProblem | None:
        """Return what a row that parsed is refused for. The common row is cleared without a second look."""
        keys, has_float = len(value), False
        for item in value.values():
            kind = type(item)
            if kind is float:
                has_float = True
            elif kind is dict or kind is list:
                nested = survey(item)
                if nested.depth >= MAX_DEPTH:
                    return RowProblem(line, None, f"is nested deeper than {MAX_DEPTH} levels")
                keys += nested.keys
                has_float = has_float or nested.has_float
        if (may_repeat_key(raw, keys) or (has_float and may_lose_digits(raw))) and (reason := strict_reason(raw)):
            return RowProblem(line, None, reason)
        if len(raw) > self.limits.cell or has_nul(raw):
            return self._bad_value(line, value)
        return None

    def _bad_value(self, line: int, value: dict[str, Any]) -> RowProblem | None:
        for name, item in value.items():
            encoded = item.encode() if isinstance(item, str) else orjson.dumps(item)
            if len(encoded) > self.limits.cell:
                return RowProblem(line, name, cell_too_large(self.limits))
            if has_nul(orjson.dumps({name: item})):
                return RowProblem(line, name.replace("\0", "\\u0000"), NUL_REASON)
        return None
