"""The queries of the hot paths use their index: none reads all rows of a batch, or of the table."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from sqlalchemy import Engine, Select

from batches.execution.claims import due_rows
from batches.execution.leases import held_runs
from batches.execution.maintenance import untaken_singles
from batches.execution.reaping import unheld_runs
from batches.execution.suspects import takeable_suspects
from batches.models import Batch, Run
from batches.results.engine import read_engine
from batches.results.selection import Filter, Selection
from batches.states import BatchState, RunState
from tests.support.factories import make_agent, make_batch, make_single_run

pytestmark = pytest.mark.django_db

ROWS = 3_000


@pytest.fixture
def batch() -> Batch:
    """A batch in which few rows are pending, running or failed, beside another one; statistics gathered."""
    version = make_agent().current_version
    make_batch(version=version, rows=ROWS)
    batch = make_batch(version=version, rows=ROWS, state=BatchState.RUNNING)
    first, _ = batch.run_ids
    rows = Run.objects.of_batch(batch.pk)
    rows.update(state=RunState.SUCCEEDED)
    rows.filter(id__gte=first + ROWS - 5).update(state=RunState.PENDING)
    rows.filter(id__in=range(first, first + 5)).update(state=RunState.RUNNING, lease_id=1)
    rows.filter(id__in=range(first + 5, first + 10)).update(state=RunState.FAILED, error_code="timeout")
    rows.filter(id__gte=first + ROWS - 2).update(crash_slice=7)
    make_single_run(version)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return batch


QUERIES: dict[str, tuple[str, Callable[[Batch], QuerySet[Run]]]] = {
    "claim": ("run_pending", lambda batch: due_rows(batch.pk).select_for_update(skip_locked=True)[:200]),
    "held": ("run_held", lambda batch: held_runs([1])),
    "unheld": ("run_held", lambda batch: unheld_runs()),
    "suspects": ("run_suspect", lambda batch: takeable_suspects()[:1]),
    "slice": ("run_suspect", lambda batch: takeable_suspects().filter(crash_slice=7).order_by("id")[:3]),
    "singles": ("run_queued", lambda batch: untaken_singles()[:10]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_the_queries_of_workers_use_their_index(batch: Batch, name: str) -> None:
    index, query = QUERIES[name]
    with transaction.atomic():
        assert_uses(query(batch).explain(), index)


@pytest.mark.parametrize(
    ("name", "index"), [("page", "INTEGER PRIMARY KEY|batches_run_pkey"), ("failed", "run_failed")]
)
def test_the_queries_of_results_use_their_index(batch: Batch, name: str, index: str) -> None:
    engine = read_engine("default")
    chosen = Filter.parse() if name == "page" else Filter.parse(codes="timeout")
    statement = Selection(engine, batch.pk, chosen)._statement(1000 if name == "page" else None, 50)
    assert_uses(plan_of(engine, statement), index)


def plan_of(engine: Engine, statement: Select[Any]) -> str:
    """Return how the database would run a statement of the read side, within the test's own transaction."""
    sql = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + sql.replace("%", "%%"))
        return "\n".join(str(row) for row in cursor.fetchall())


def assert_uses(plan: str, index: str) -> None:
    """The plan goes through the index (or one of several), and scans no table of runs."""
    assert any(option in plan for option in index.split("|")), plan
    assert "Seq Scan on batches_run" not in plan
    assert "SCAN batches_run" not in plan.replace("SCAN batches_run USING INDEX", "")


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("index>=2900", "INTEGER PRIMARY KEY|batches_run_pkey"),
        ("index=7", "INTEGER PRIMARY KEY|batches_run_pkey"),
        ("code=timeout", "run_failed"),
    ],
)
def test_conditions_on_results_use_their_index(batch: Batch, where: str, index: str) -> None:
    engine = read_engine("default")
    statement = Selection(engine, batch.pk, Filter.parse(where=where))._statement(None, 50)
    assert_uses(plan_of(engine, statement), index)
