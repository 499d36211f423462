"""The lines of the files that a batch writes: https://platform.openai.com/docs/api-reference/batch/request-output."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
from orjson import OPT_APPEND_NEWLINE, dumps
from sqlalchemy import ColumnElement, Integer, Text, cast, extract, func

from agents.model_names import AGENT_PREFIX
from batches.ids import batch_run_id
from batches.models import Batch
from batches.models.batch import InputKind
from batches.news import FinishedRun
from batches.openai_api.bodies import completion_body, embeddings_body, extension_body
from batches.openai_api.errors import error_body
from batches.openai_api.failures import failure_of
from batches.openai_api.responses.body import response_body
from batches.results.engine import read_engine
from batches.results.selection import ROW_WIDTH, Filter, Selection
from batches.results.versions import VersionLabel, VersionLabels
from batches.states import RunState
from batches.tables import runs

from .ids import OUTPUT

# Lines that are made before they are joined: those of more rows would not fit into a processor's cache.
GROUP_ROWS = 128
# What the file of errors says of rows that no model was asked for.
NEVER_RAN = {
    RunState.CANCELLED: {"code": "batch_cancelled", "message": "This request was cancelled before it was executed."},
    RunState.EXPIRED: {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window expired.",
    },
}
FAILURES = (RunState.FAILED, RunState.CANCELLED, RunState.EXPIRED)
Row = Sequence[Any]
Body = Callable[[int, Row, FinishedRun, VersionLabel], dict[str, Any]]


def _epoch(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.floor(extract("epoch", column)), Integer)


_MORE = (
    cast(runs.c.completion, Text).label("completion"),
    _epoch(runs.c.created_at).label("created"),
    _epoch(runs.c.finished_at).label("finished"),
)


def file_lines(batch: Batch, kind: str) -> Iterator[bytes]:
    """Yield the lines of a batch's OUTPUT or ERRORS, of the rows that have ended by now, some at a time."""
    engine = read_engine()
    chosen = Filter.parse((RunState.SUCCEEDED,) if kind == OUTPUT else FAILURES)
    labels = VersionLabels(engine)
    line = _Output(batch, labels).line if kind == OUTPUT else _Errors(batch).line
    for piece in Selection(engine, batch.pk, chosen, _MORE).pieces():
        for start in range(0, len(piece), GROUP_ROWS):
            group = piece[start : start + GROUP_ROWS]
            yield b"".join([dumps(line(row), option=OPT_APPEND_NEWLINE) for row in group])


class _Output:
    """Lines of rows that succeeded."""

    def __init__(self, batch: Batch, labels: VersionLabels) -> None:
        self._batch_id = batch.pk
        self._labels = labels
        self._body = _BODIES[InputKind(batch.input_kind)]

    def line(self, row: Row) -> dict[str, Any]:
        run_id = batch_run_id(self._batch_id, row[0])
        label = self._labels[row[16]]
        body = self._body(run_id, row, _ended(row, label), label)
        return _line(run_id, row, 200, body)


class _Errors:
    """Lines of rows that did not succeed."""

    def __init__(self, batch: Batch) -> None:
        self._batch_id = batch.pk

    def line(self, row: Row) -> dict[str, Any]:
        run_id = batch_run_id(self._batch_id, row[0])
        told = NEVER_RAN.get(row[2])
        if told is not None:
            return {"id": f"batch_req_{run_id}", "custom_id": row[1], "response": None, "error": told}
        failed = FinishedRun(RunState.FAILED, error_code=row[5], error_message=row[6])
        error = failure_of(run_id, failed)
        return _line(run_id, row, error.status, error_body(error.status, error.message, error.param, error.code))


def _line(run_id: int, row: Row, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"batch_req_{run_id}",
        "custom_id": row[1],
        "response": {"status_code": status, "request_id": f"req_{run_id}", "body": body},
        "error": None,
    }


def _ended(row: Row, label: VersionLabel) -> FinishedRun:
    completion = row[ROW_WIDTH]
    return FinishedRun(
        RunState.SUCCEEDED,
        row[3],
        None,
        orjson.loads(completion) if completion else None,
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[14] or label.model,
    )


def _name(label: VersionLabel) -> str:
    return label.model if label.agent is None else f"{AGENT_PREFIX}{label.agent}@{label.version}"


def _extension(run_id: int, ended: FinishedRun, label: VersionLabel) -> dict[str, Any]:
    return extension_body(run_id, ended, None if label.agent is None else f"{label.agent}@{label.version}")


def _chat(run_id: int, row: Row, ended: FinishedRun, label: VersionLabel) -> dict[str, Any]:
    return completion_body(run_id, row[ROW_WIDTH + 1], _name(label), ended, _extension(run_id, ended, label))


def _embeddings(run_id: int, row: Row, ended: FinishedRun, label: VersionLabel) -> dict[str, Any]:
    ended = _with_vectors(ended, row[4])
    is_base64 = '"base64"' in row[17] and orjson.loads(row[17]).get("encoding_format") == "base64"
    return embeddings_body(_name(label), ended, _extension(run_id, ended, label), is_base64=is_base64)


def _with_vectors(ended: FinishedRun, parsed: str | None) -> FinishedRun:
    vectors = orjson.loads(parsed) if parsed else []
    return FinishedRun(ended.state, parsed=vectors, input_tokens=ended.input_tokens, cost=ended.cost, model=ended.model)


def _response(run_id: int, row: Row, ended: FinishedRun, label: VersionLabel) -> dict[str, Any]:
    request = orjson.loads(row[17])["request"]
    created, finished = row[ROW_WIDTH + 1], row[ROW_WIDTH + 2]
    extension = _extension(run_id, ended, label)
    return response_body(run_id, {**request, "model": _name(label)}, created, row[2], ended, finished, extension)


_BODIES: dict[InputKind, Body] = {
    InputKind.CHAT: _chat,
    InputKind.EMBEDDINGS: _embeddings,
    InputKind.RESPONSES: _response,
}
