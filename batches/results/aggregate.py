"""Aggregate questions over the rows of a batch, answered in one statement of the database.

Without percentiles that is one pass over the rows and their groups. With them the rows are counted by group and value
first, and the percentiles are read off those counts (nearest rank, exact): no million rows are sorted. PostgreSQL
shares the pass among its parallel workers: the statement is a plain one, no cursor, which cannot be parallel
(https://www.postgresql.org/docs/current/when-can-parallel-query-be-used.html).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Select, Subquery, func, select, text

from batches.tables import runs
from workers.errors import InvalidInput

from .fields import Field, with_version
from .grouping import Grouping, parse_grouping
from .measures import PERCENTILES, Measure, as_float, parse_measure
from .selection import Filter

LARGEST_ANSWER = 10_000
Names: TypeAlias = str | Sequence[str]

# A planner knows nothing of how many different values a place in JSON has and guesses as many as rows; then it sorts
# them all, or holds parallel workers to be dearer than one. Compiling the statement takes longer than it saves. Rows of
# a batch lie side by side, so the index on their key is read nearly in order, beside other batches' rows.
_PLANNING = (
    "SET LOCAL jit = off",
    "SET LOCAL parallel_setup_cost = 0",
    "SET LOCAL parallel_tuple_cost = 0",
    "SET LOCAL enable_sort = off",
    "SET LOCAL random_page_cost = 1.1",
    "SET LOCAL work_mem = '32MB'",
)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The answer: groups as dicts of what they are grouped by and of the measures, by those names.

    The largest groups come first; those of latency and attempts alone, in their order. `total` counts the rows, and
    `groups` the groups, of which `rows` has the largest where they are many.
    """

    by: tuple[str, ...]
    measures: tuple[str, ...]
    rows: list[dict[str, Any]]
    total: int
    groups: int


def aggregate(engine: Engine, batch_id: int, chosen: Filter, by: Names, measures: Names, limit: int) -> Aggregate:
    """Return the measures of the rows that pass `chosen`, by one or two groupings. Raises InvalidInput."""
    dialect = engine.dialect.name
    names = (by,) if isinstance(by, str) else tuple(by)
    wanted = [parse_measure(text) for text in ([measures] if isinstance(measures, str) else measures)]
    if not 1 <= len(set(names)) == len(names) <= 2:
        raise InvalidInput("by: name one grouping, or two different ones.")
    if not wanted:
        raise InvalidInput("measures: name at least one, e.g. count.")
    if not 1 <= limit <= LARGEST_ANSWER:
        raise InvalidInput(f"limit is {limit}; allowed: 1 to {LARGEST_ANSWER}.")
    question = _Question(batch_id, dialect, chosen, [parse_grouping(name, dialect) for name in names], wanted)
    with engine.connect() as connection:
        # All statements see the same rows, also of a batch that runs.
        connection.execute(text("BEGIN" if dialect == "sqlite" else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        if dialect == "postgresql":
            for setting in _PLANNING:
                connection.execute(text(setting))
        return question.answer(connection, limit)


@dataclass(frozen=True, slots=True)
class _Question:
    batch_id: int
    dialect: str
    chosen: Filter
    by: list[Grouping]
    measures: list[Measure]

    def answer(self, connection: Connection, limit: int) -> Aggregate:
        """Ask once, and once more for each further number of which percentiles are asked."""
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        total = count = 0
        for field in self._percentile_fields() or [None]:
            for row in connection.execute(self._statement(field, limit)).mappings():
                keys = tuple(row[f"key{place}"] for place in range(len(self.by)))
                groups.setdefault(keys, {}).update(row)
                total, count = row["total"], row["groups"]
        rows = [self._row(keys, values) for keys, values in groups.items()]
        return Aggregate(
            tuple(each.name for each in self.by), tuple(each.text for each in self.measures), rows, int(total), count
        )

    def _percentile_fields(self) -> list[Any]:
        return list(dict.fromkeys(measure.field for measure in self.measures if measure.of in PERCENTILES))

    def _row(self, keys: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        row = {each.name: each.read(key) for each, key in zip(self.by, keys, strict=True)}
        for place, measure in enumerate(self.measures):
            if measure.of == "count":
                row[measure.text] = int(values["count"])
            elif measure.of == "share":
                row[measure.text] = int(values["count"]) / int(values["total"])
            elif measure.of == "mean":
                number = values[f"number{place}"]
                row[measure.text] = values[f"sum{place}"] / int(number) if number else None
            else:
                row[measure.text] = values[f"{measure.of if measure.of in PERCENTILES else 'sum'}{place}"]
        return row

    def _statement(self, field: Any, limit: int) -> Select[Any]:
        """Return the groups with their measures, the largest first; percentiles are those of `field`."""
        counted = self._counted(field)
        keys = [counted.c[f"key{place}"] for place in range(len(self.by))]
        number = func.sum(counted.c.count)
        columns = [number.label("count"), func.sum(number).over().label("total"), func.count().over().label("groups")]
        for place, measure in enumerate(self.measures):
            if measure.of in ("sum", "mean"):
                columns.append(func.sum(counted.c[f"sum{place}"]).label(f"sum{place}"))
                columns.append(func.sum(counted.c[f"number{place}"]).label(f"number{place}"))
            elif measure.of in PERCENTILES and measure.field == field:
                reached = counted.c.rank * 100 >= counted.c.ranks * PERCENTILES[measure.of]
                columns.append(func.min(counted.c.value).filter(reached).label(f"{measure.of}{place}"))
        if len(self.by) == 1 and self.by[0].ordered:
            order = [keys[0].asc().nulls_last()]
        else:
            order = [number.desc(), *(key.asc().nulls_last() for key in keys)]
        return select(*keys, *columns).group_by(*keys).order_by(*order).limit(limit)

    def _counted(self, field: Any) -> Subquery:
        """Return the rows counted and summed by group; for percentiles also by value, with ranks."""
        keys = [grouping.key.label(f"key{place}") for place, grouping in enumerate(self.by)]
        columns = [*keys, func.count().label("count")]
        for place, measure in enumerate(self.measures):
            if measure.of in ("sum", "mean"):
                value = measure.value(self.dialect)
                columns += [as_float(func.sum(value)).label(f"sum{place}"), func.count(value).label(f"number{place}")]
        grouped = list(range(1, len(keys) + 1))
        if field is not None:
            value = field.number(self.dialect) if not isinstance(field, Field) else field.expression
            columns.append(value.label("value"))
            grouped.append(len(columns))
        statement = select(*columns).select_from(runs)
        if any(each.of_version for each in self.by) and not self.chosen.needs_version:
            statement = with_version(statement)
        statement = self.chosen.apply(statement, self.batch_id, self.dialect)
        by_group = statement.group_by(*(text(str(place)) for place in grouped)).subquery()
        return _ranked(by_group, len(keys)) if field is not None else by_group


def _ranked(counted: Subquery, keys: int) -> Subquery:
    """Return counts by group and value with `rank`, the rows of at most that value, and `ranks`, those of any."""
    group = [counted.c[f"key{place}"] for place in range(keys)]
    known = func.sum(counted.c.count).filter(counted.c.value.is_not(None))
    rank = func.sum(counted.c.count).over(partition_by=group, order_by=counted.c.value.nulls_last())
    return select(*counted.c, rank.label("rank"), known.over(partition_by=group).label("ranks")).subquery()
