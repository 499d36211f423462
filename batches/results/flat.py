"""The columns of a record laid flat, for formats that have no nesting: CSV and Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from batches.models.batch import Batch, InputKind

from .categories import category_of
from .selection import ResultRow
from .versions import VersionLabels

WHOLE_NUMBERS = (
    "index",
    "attempts",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "latency_ms",
    "version",
    "cached_tokens",
    "reasoning_tokens",
)
NO_TEXTS = frozenset({*WHOLE_NUMBERS, "cost", "cached"})
FIXED_NAMES = (
    "index",
    "custom_id",
    "status",
    "output",
    "parsed",
    "error_code",
    "error_category",
    "error_message",
    "attempts",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cost",
    "latency_ms",
    "agent",
    "version",
    "model",
    "cached_tokens",
    "reasoning_tokens",
    "cached",
)


def output_schema(batch: Batch) -> dict[str, Any] | None:
    """Return the output schema of the batch's version; None where it has none, or the batch has no version yet."""
    schema = batch.agent_version.output_schema if batch.agent_version is not None else None
    return schema if isinstance(schema, dict) else None


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns follow the fixed ones: the fields of the answer, then the columns of the input."""

    parsed_fields: tuple[str, ...]
    input_columns: tuple[str, ...] | None

    @classmethod
    def of_batch(cls, batch: Batch) -> "Layout":
        """Take the fields from the output schema of the batch's version, where it is an object with properties.

        Answers of another version may have other fields: those stand in `parsed`, which always holds the whole answer.
        A chat body has no columns; its JSON stands in one column, `input`.
        """
        properties = (output_schema(batch) or {}).get("properties")
        columns = tuple(batch.columns) if batch.input_kind == InputKind.COLUMNS else None
        return cls(tuple(properties) if isinstance(properties, dict) else (), columns)

    @property
    def names(self) -> list[str]:
        """The names of all columns, in order."""
        inputs = ["input"] if self.input_columns is None else [f"input.{name}" for name in self.input_columns]
        return [*FIXED_NAMES, *(f"parsed.{name}" for name in self.parsed_fields), *inputs]


def flat_rows(rows: Sequence[ResultRow], labels: VersionLabels, layout: Layout) -> list[list[Any]]:
    """Return the values of rows under `layout.names`: numbers, texts and None."""
    return [_flat_row(row, labels, layout) for row in rows]


def _flat_row(row: ResultRow, labels: VersionLabels, layout: Layout) -> list[Any]:
    (index, custom_id, state, output, parsed, code, message, attempts, read, written, from_cache, thought, cost,
     latency_ms, answered_by, is_cached, version_id, given) = row  # fmt: skip
    agent, version, model = labels[version_id]
    parsed = None if parsed == "null" else parsed
    values: list[Any] = [
        index,
        custom_id,
        state,
        output,
        parsed,
        code,
        category_of(code) if code else None,
        message,
        attempts,
    ]
    values += [read, written, read + written, cost, latency_ms, agent, version, answered_by or model]
    values += [from_cache, thought, bool(is_cached)]
    if layout.parsed_fields:
        values += _picked(parsed, layout.parsed_fields)
    return values + ([given] if layout.input_columns is None else _picked(given, layout.input_columns))


def _picked(text: str | None, names: tuple[str, ...]) -> list[str | None]:
    """Return the values of an object's keys as text: texts as they are, all else as JSON, None where there is none."""
    value = orjson.loads(text) if text else None
    if not isinstance(value, dict):
        return [None] * len(names)
    return [
        item if type(item) is str or item is None else orjson.dumps(item).decode() for item in map(value.get, names)
    ]
