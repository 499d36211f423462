"""A result record: what a row's result looks like to programs, the same in JSONL, pages and APIs."""

from collections.abc import Sequence
from typing import Any, TypedDict

import orjson
from orjson import OPT_APPEND_NEWLINE, dumps
from orjson import Fragment as fragment

from .categories import category_of
from .selection import ResultRow
from .versions import VersionLabels

# Lines that are made before they are joined. Those of 4,096 rows would not fit into a processor's cache: 2.3 us a row
# instead of 6.2 us.
GROUP_ROWS = 128


class ResultError(TypedDict):
    """Why a row failed."""

    code: str
    category: str
    message: str


class ResultUsage(TypedDict):
    """Tokens of all attempts of a row. `cached_tokens` are some of the input's, `reasoning_tokens` of the output's."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_tokens: int
    reasoning_tokens: int


class ResultRecord(TypedDict):
    """One row's result. `index` is its place in the input from 0, `cost` is US dollars, `model` `credential/model`.

    `agent` and `version` are null where a provider's model was called as it is. `cached` says that the answer came from
    the store of answers.
    """

    index: int
    custom_id: str | None
    status: str
    output: str | None
    parsed: Any
    error: ResultError | None
    attempts: int
    usage: ResultUsage
    cost: float
    latency_ms: int | None
    agent: str | None
    version: int | None
    model: str
    input: Any
    cached: bool


def records(rows: Sequence[ResultRow], labels: VersionLabels) -> list[ResultRecord]:
    """Return the records of rows as `Selection` reads them, with their JSON parsed."""
    return [_record(row, labels, orjson.loads(row[4] or b"null"), orjson.loads(row[-1])) for row in rows]


def encoded_records(rows: Sequence[ResultRow], labels: VersionLabels) -> bytes:
    """Return the records of rows as JSON, one a line; stored JSON is passed on as it is, without being parsed."""
    return b"".join(
        [_encoded_group(rows[start : start + GROUP_ROWS], labels) for start in range(0, len(rows), GROUP_ROWS)]
    )


def _encoded_group(rows: Sequence[ResultRow], labels: VersionLabels) -> bytes:
    lines = b"".join(
        [
            dumps(_record(row, labels, row[4] and fragment(row[4]), fragment(row[-1])), option=OPT_APPEND_NEWLINE)
            for row in rows
        ]
    )
    # Indented text, which nothing of ours writes, would break lines.
    if lines.count(b"\n") == len(rows) and b"\r" not in lines:
        return lines
    return b"".join([dumps(record, option=OPT_APPEND_NEWLINE) for record in records(rows, labels)])


def _record(row: ResultRow, labels: VersionLabels, parsed: Any, given: Any) -> ResultRecord:
    (index, custom_id, state, output, _, code, message, attempts, read, written, from_cache, thought, cost, latency_ms,
     answered_by, is_cached, version_id, _) = row  # fmt: skip
    agent, version, model = labels[version_id]
    return {
        "index": index,
        "custom_id": custom_id,
        "status": state,
        "output": output,
        "parsed": parsed,
        "error": {"code": code, "category": category_of(code), "message": message or ""} if code else None,
        "attempts": attempts,
        "usage": {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
            "cached_tokens": from_cache,
            "reasoning_tokens": thought,
        },
        "cost": cost,
        "latency_ms": latency_ms,
        "agent": agent,
        "version": version,
        "model": answered_by or model,
        "input": given,
        "cached": bool(is_cached),
    }
