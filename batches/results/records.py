"""A result record: what a row's result looks like to programs, the same in JSONL, pages and APIs."""

from collections.abc import Sequence
from typing import Any, TypedDict

import orjson

from workers.errors import ErrorCategory, ErrorCode

from .selection import ResultRow
from .versions import VersionLabels

_CATEGORIES = {code.value: code.category.value for code in ErrorCode}


class ResultError(TypedDict):
    """Why a row failed."""

    code: str
    category: str
    message: str


class ResultUsage(TypedDict):
    """Tokens of all attempts of a row."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class ResultRecord(TypedDict):
    """One row's result. `index` is its place in the input from 0, `cost` is US dollars, `model` `credential/model`."""

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
    agent: str
    version: int
    model: str
    input: Any


def category_of(code: str) -> str:
    """Return the category of an error code; a code that this release does not know is the system's."""
    return _CATEGORIES.get(code, ErrorCategory.SYSTEM.value)


def records(rows: Sequence[ResultRow], labels: VersionLabels) -> list[ResultRecord]:
    """Return the records of rows as `Selection` reads them, with their JSON parsed."""
    return [_record(row, labels, orjson.loads(row[4] or b"null"), orjson.loads(row[-1])) for row in rows]


def encoded_records(rows: Sequence[ResultRow], labels: VersionLabels) -> bytes:
    """Return the records of rows as JSON, one a line; stored JSON is passed on as it is, without being parsed."""
    return b"".join(
        orjson.dumps(
            _record(row, labels, row[4] and _one_line(row[4]), _one_line(row[-1])),
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row in rows
    )


def _one_line(text: str) -> Any:
    """Return JSON text to pass on; indented text, which nothing of ours writes, would break the line."""
    return orjson.loads(text) if "\n" in text or "\r" in text else orjson.Fragment(text)


def _record(row: ResultRow, labels: VersionLabels, parsed: Any, given: Any) -> ResultRecord:
    index, custom_id, state, output, _, code, message, attempts, read, written, cost, latency_ms, version_id, _ = row
    agent, version, model = labels[version_id]
    return {
        "index": index,
        "custom_id": custom_id,
        "status": state,
        "output": output,
        "parsed": parsed,
        "error": {"code": code, "category": category_of(code), "message": message or ""} if code else None,
        "attempts": attempts,
        "usage": {"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
        "cost": cost,
        "latency_ms": latency_ms,
        "agent": agent,
        "version": version,
        "model": model,
        "input": given,
    }
