"""Which rows of a batch are meant, and how they are read: by key, in input order, a bounded piece at a time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from sqlalchemy import ColumnElement, Engine, Float, Integer, Select, Text, cast, select, type_coerce

from batches.ids import batch_id_range
from batches.states import RunState
from batches.tables import runs
from workers.errors import ErrorCode, InvalidInput

from .fields import with_version
from .where import Condition, Where, parse_where

# A piece has this many rows, or as many as make about this many characters of input and output.
PIECE_ROWS = 4096
PIECE_CHARACTERS = 4 * 1024 * 1024
# Rows that are fetched at once: what may lie in memory beyond a piece, however large they are.
FETCHED_ROWS = 64

Values = str | Collection[str] | None

# A row as it is read, and unpacked by those who write it out, in the order of `_SELECTED`. JSON is text.
ResultRow: TypeAlias = tuple[
    int,  # index
    str | None,  # custom_id
    str,  # state
    str | None,  # output
    str | None,  # parsed, as JSON
    str | None,  # error_code
    str | None,  # error_message
    int,  # attempt
    int,  # input_tokens
    int,  # output_tokens
    int,  # cached_tokens
    int,  # reasoning_tokens
    float,  # cost
    int | None,  # latency_ms
    str | None,  # model
    bool | int,  # is_cached
    int,  # agent_version_id
    str,  # input_json
]
_SELECTED = (
    runs.c.index,
    runs.c.custom_id,
    runs.c.state,
    runs.c.output,
    cast(runs.c.parsed, Text).label("parsed"),
    runs.c.error_code,
    runs.c.error_message,
    runs.c.attempt,
    runs.c.input_tokens,
    runs.c.output_tokens,
    runs.c.cached_tokens,
    runs.c.reasoning_tokens,
    cast(runs.c.cost, Float).label("cost"),
    runs.c.latency_ms,
    runs.c.model,
    # A result without converters is read faster; SQLite keeps truth values as 0 and 1.
    type_coerce(runs.c.is_cached, Integer).label("is_cached"),
    runs.c.agent_version_id,
    runs.c.input_json,
)
ROW_WIDTH = len(_SELECTED)
_OUTPUT, _INPUT = 3, ROW_WIDTH - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Run states and error codes to keep, where None keeps all, and conditions of which each must hold."""

    states: frozenset[str] | None = None
    codes: frozenset[str] | None = None
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, states: Values = None, codes: Values = None, where: Where = None) -> Self:
        """Take one value, several or none of each. Raises InvalidInput for an unknown one, naming what is allowed."""
        chosen = {"status": _known("state", states, RunState.values), "code": _known("code", codes, list(ErrorCode))}
        others = []
        for condition in parse_where(where):
            # As states and codes they find their way to the partial indexes of `Run`.
            if condition.name in chosen and condition.operator == "=" and None not in condition.values:
                before, values = chosen[condition.name], frozenset(condition.values)
                chosen[condition.name] = values if before is None else before & values
            else:
                others.append(condition)
        return cls(chosen["status"], chosen["code"], tuple(others))

    @property
    def needs_version(self) -> bool:
        """Whether a condition needs what is known of each row's agent version."""
        return any(condition.of_version for condition in self.conditions)

    def conditions_on(self, batch_id: int, dialect: str) -> list[ColumnElement[bool]]:
        """Return the conditions in SQL, put so that the partial indexes of `Run` serve them."""
        states, codes = self.states, self.codes
        found: list[ColumnElement[bool]] = [each.expression(batch_id, dialect) for each in self.conditions]
        if codes and not codes & {ErrorCode.CANCELLED, ErrorCode.EXPIRED} and states is None:
            states = frozenset({RunState.FAILED.value})
        by_custom_id = any(each.name == "custom_id" and each.operator == "=" for each in self.conditions)
        if codes or states == frozenset({RunState.PENDING.value}) or by_custom_id or dialect == "postgresql":
            found.append(runs.c.batch_id == batch_id)
        if states is not None:
            found.append(_one_of(runs.c.state, states))
        if codes is not None:
            found.append(_one_of(runs.c.error_code, codes))
        return found

    def apply(self, statement: Select[Any], batch_id: int, dialect: str, after: int | None = None) -> Select[Any]:
        """Return `statement` over runs, confined to the rows of a batch that pass and come after index `after`."""
        first, end = batch_id_range(batch_id)
        # Kept within the batch: beyond its ends lie the rows of others.
        start = first if after is None else min(max(first, first + after + 1), end)
        if self.needs_version:
            statement = with_version(statement)
        return statement.where(runs.c.id >= start, runs.c.id < end, *self.conditions_on(batch_id, dialect))


def _known(what: str, given: Values, allowed: Sequence[str]) -> frozenset[str] | None:
    if not given:
        return None
    values = frozenset([given] if isinstance(given, str) else given)
    if unknown := sorted(values - set(allowed)):
        raise InvalidInput(f"{what} is {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}.")
    return frozenset(str(value) for value in values)


class Selection:
    """The rows of one batch that pass a filter."""

    def __init__(self, engine: Engine, batch_id: int, chosen: Filter, more: Sequence[ColumnElement[Any]] = ()) -> None:
        """Select rows of batch `batch_id` in the database of `engine`; columns `more` follow those of `ResultRow`."""
        self._more = more
        self._engine = engine
        self._batch_id = batch_id
        self._filter = chosen

    def piece(self, after: int | None, limit: int) -> tuple[list[ResultRow], bool]:
        """Return up to `limit` rows whose index comes after `after` (None: from the first), and whether more follow.

        There are fewer where they are large: a piece ends when it holds 4 MiB of text. PostgreSQL's cursor stays on
        the server, so that the rows beyond never come here.
        """
        found: list[ResultRow] = []
        characters = 0
        with self._engine.connect() as connection:
            # SQLite reads as it is asked, and needs no buffer for it.
            on_server = self._engine.dialect.name == "postgresql"
            streaming = connection.execution_options(stream_results=on_server, max_row_buffer=FETCHED_ROWS)
            # One row more than is wanted tells whether there are more.
            for part in streaming.execute(self._statement(after, limit + 1)).partitions(FETCHED_ROWS):
                # Plain tuples: each garbage collection looks at the library's rows, a third of the reading time.
                found += map(tuple, part)
                characters += sum([len(row[_INPUT]) + len(row[_OUTPUT] or "") for row in part])
                if characters > PIECE_CHARACTERS:
                    return found[:limit], True
        return found[:limit], len(found) > limit

    def pieces(self, after: int | None = None, limit: int | None = None) -> Iterator[Sequence[ResultRow]]:
        """Yield all rows, or `limit` of them, in pieces small enough to hold.

        Each piece is a read of its own, and no connection is held between two: see `batches.results.engine`.
        """
        left, more = limit, True
        while more and (left is None or left > 0):
            rows, more = self.piece(after, PIECE_ROWS if left is None else min(PIECE_ROWS, left))
            if rows:
                yield rows
                after = rows[-1][0]
                left = None if left is None else left - len(rows)

    def _statement(self, after: int | None, limit: int) -> Select[Any]:
        statement = self._filter.apply(
            select(*_SELECTED, *self._more), self._batch_id, self._engine.dialect.name, after
        )
        return statement.order_by(runs.c.id).limit(limit)


def _one_of(column: ColumnElement[Any], values: frozenset[str]) -> ColumnElement[bool]:
    return column == next(iter(values)) if len(values) == 1 else column.in_(sorted(values))
