"""Two batches side by side: their rows in pairs, by index or by custom_id.

Two rows are equal where both succeeded with the same text and the same parsed answer. Rows of the first batch that have
no partner in the second are pairs with nothing on that side; those of the second alone are only counted.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Float, Select, Text, and_, case, cast, func, select
from sqlalchemy.orm import aliased

from batches.ids import batch_id_range
from batches.models import Batch
from batches.states import RunState
from batches.tables import runs
from workers.errors import InvalidInput

from .engine import read_engine

On = Literal["index", "custom_id"]
Only = Literal["all", "equal", "different"]
_one, _other = aliased(runs, name="one"), aliased(runs, name="other")
_SIDE = ("index", "state", "output", "cost", "latency_ms", "error_code")


@dataclass(frozen=True, slots=True)
class Side:
    """A row on one side of a pair. `cost` is US dollars."""

    index: int
    status: str
    output: str | None
    cost: float
    latency_ms: int | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of the first batch and its partner in the second, None where it has none."""

    custom_id: str | None
    one: Side
    other: Side | None
    is_equal: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """What the pairs of one batch come to: rows that succeeded, US dollars, and the mean of the latency."""

    succeeded: int
    cost: float
    mean_latency_ms: float | None


@dataclass(frozen=True, slots=True)
class ComparisonSummary:
    """All pairs, counted: `equal`, `different`, and how many of each pair of states there are.

    `only_one` and `only_other` are the rows without a partner.
    """

    pairs: int
    equal: int
    different: int
    only_one: int
    only_other: int
    states: dict[tuple[str, str], int]
    one: Totals
    other: Totals


class Comparison:
    """Two batches. It asks nobody: fetch both through `visible_to(user)` first."""

    def __init__(self, one: Batch, other: Batch, on: On = "index") -> None:
        """Compare the rows of `one` with those of `other`. Raises InvalidInput where both are the same."""
        if one.pk == other.pk:
            raise InvalidInput("other: is the batch itself")
        self._batches = (one, other)
        self._on = on
        self._engine = read_engine(one._state.db or "default")

    def page(self, after: int | None = None, limit: int = 50, only: Only = "all") -> tuple[list[Pair], int | None]:
        """Return up to `limit` pairs whose first row comes after index `after`, and what to ask for next."""
        first, end = batch_id_range(self._batches[0].pk)
        start = first if after is None else min(first + after + 1, end)
        columns = [_one.c.custom_id, *_side(_one), _other.c.id, *_side(_other), _equal().label("is_equal")]
        statement = self._joined(select(*columns)).where(_one.c.id >= start, _one.c.id < end)
        if only != "all":
            statement = statement.where(_equal() == (only == "equal"), _other.c.id.is_not(None))
        with self._engine.connect() as connection:
            rows = connection.execute(statement.order_by(_one.c.id).limit(limit + 1)).all()
        pairs = [_pair(tuple(row)) for row in rows[:limit]]
        return pairs, pairs[-1].one.index if len(rows) > limit else None

    def summary(self) -> ComparisonSummary:
        """Return the pairs counted. Reads all rows of the first batch and their partners."""
        first, end = batch_id_range(self._batches[0].pk)
        sums = [func.count(), func.count().filter(_equal())]
        for side in (_one, _other):
            sums += [func.coalesce(func.sum(cast(side.c.cost, Float)), 0.0), func.sum(side.c.latency_ms)]
            sums.append(func.count(side.c.latency_ms))
        statement = self._joined(select(_one.c.state, _other.c.state, *sums)).where(_one.c.id >= first, _one.c.id < end)
        with self._engine.connect() as connection:
            groups = connection.execute(statement.group_by(_one.c.state, _other.c.state)).all()
        return self._counted([tuple(group) for group in groups])

    def _counted(self, groups: list[tuple[Any, ...]]) -> ComparisonSummary:
        paired = [group for group in groups if group[1] is not None]
        pairs, equal = (sum(group[place] for group in paired) for place in (2, 3))
        alone = sum(group[2] for group in groups if group[1] is None)
        return ComparisonSummary(
            pairs=pairs,
            equal=equal,
            different=pairs - equal,
            only_one=alone,
            only_other=max(0, self._batches[1].total - pairs),
            states={(group[0], group[1]): group[2] for group in paired},
            one=_totals(paired, 0, 4),
            other=_totals(paired, 1, 7),
        )

    def _joined(self, statement: Select[Any]) -> Select[Any]:
        return statement.select_from(_one).outerjoin(_other, self._partner())

    def _partner(self) -> ColumnElement[bool]:
        one, other = (batch_id_range(batch.pk)[0] for batch in self._batches)
        if self._on == "index":
            return _other.c.id == _one.c.id - one + other
        return and_(_other.c.batch_id == self._batches[1].pk, _other.c.custom_id == _one.c.custom_id)


def _side(side: Any) -> list[ColumnElement[Any]]:
    return [cast(side.c.cost, Float) if name == "cost" else side.c[name] for name in _SIDE]


def _equal() -> ColumnElement[bool]:
    succeeded = RunState.SUCCEEDED.value
    is_equal = and_(
        _one.c.state == succeeded,
        _other.c.state == succeeded,
        _one.c.output.is_not_distinct_from(_other.c.output),
        cast(_one.c.parsed, Text).is_not_distinct_from(cast(_other.c.parsed, Text)),
    )
    # Without a partner the comparison is neither true nor false.
    return case((is_equal, True), else_=False)


def _pair(row: tuple[Any, ...]) -> Pair:
    custom_id, *one = row[: 1 + len(_SIDE)]
    partner, *other = row[1 + len(_SIDE) : -1]
    return Pair(custom_id, Side(*one), None if partner is None else Side(*other), bool(row[-1]))


def _totals(groups: list[tuple[Any, ...]], side: int, place: int) -> Totals:
    succeeded = sum(group[2] for group in groups if group[side] == RunState.SUCCEEDED)
    cost, latency, counted = (sum(group[place + offset] or 0 for group in groups) for offset in range(3))
    return Totals(succeeded, float(cost), latency / counted if counted else None)
