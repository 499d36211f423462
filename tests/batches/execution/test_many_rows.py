"""What a process held goes back in one transaction, however many rows it is, and whatever a statement may carry."""

import sqlite3
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.execution import locking
from batches.execution.leases import open_lease, return_orphans
from batches.execution.locking import in_chunks
from batches.execution.reaping import reap
from batches.execution.unclaiming import unclaim
from batches.models import Attempt, Batch, Run
from batches.states import RunState
from tests.support.factories import make_batch, make_single_run

from .helpers import claim, expire_leases

pytestmark = pytest.mark.django_db

ROWS = 2_500


@pytest.fixture
def few_parameters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SQLite as it would be with 30 times as many rows; PostgreSQL's driver knows no such limit."""
    monkeypatch.setattr(locking, "CHUNK_ROWS", 500)
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1_010)
    yield
    if connection.vendor == "sqlite":
        connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


def held(rows: int = ROWS) -> Batch:
    """Return a batch whose rows are all in the hands of one process, as if one claim had taken them."""
    batch = make_batch(rows=rows, state="running")
    lease = open_lease("here:1:1", batch.pk)
    Run.objects.of_batch(batch.pk).update(state=RunState.RUNNING, attempt=1, token=7, lease_id=lease)
    return batch


def test_all_rows_of_a_dead_process_become_suspects_at_once(few_parameters: None) -> None:
    batch = held()
    expire_leases()
    assert reap() == ROWS
    rows = Run.objects.of_batch(batch.pk).values_list("state", "crashes", "crash_slice", "lease", "token")
    assert set(rows) == {("pending", 1, ROWS, None, None)}
    assert Attempt.objects.filter(outcome="crashed").count() == ROWS


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_any_number_of_rows_is_given_back(few_parameters: None, seconds: float) -> None:
    batch = held(1_500)
    runs = claim(make_batch(rows=2))
    first = batch.run_ids[0]
    many = [type(runs[0])(first + n, batch.pk, 1, 7, runs[0].lease_id, 1, "columns", "{}", 0) for n in range(1_500)]
    assert unclaim([*many, *runs], seconds) == 1_502
    assert set(Run.objects.values_list("state", "attempt", "token")) == {("pending", 0, None)}
    assert Run.objects.filter(not_before=None).count() == (0 if seconds else 1_502)


def test_chunks_come_in_the_order_of_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "CHUNK_ROWS", 2)
    assert list(in_chunks({5, 1, 4, 2, 3})) == [[1, 2], [3, 4], [5]]
    assert list(in_chunks([])) == []


def test_orphans_are_handed_back_together_in_the_order_of_their_ids() -> None:
    batch = make_batch(rows=40)
    runs = claim(batch)
    single = make_single_run(state=RunState.RUNNING, attempt=3)
    Run.objects.filter(pk=runs[1].id).update(attempt=2)
    Run.objects.filter(pk=runs[2].id).update(state=RunState.CANCELLED, token=None)
    orphans = {(run.id, run.attempt) for run in runs} | {(single.pk, 3)}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert return_orphans(orphans) == 39
    assert len(queries) < 15
    locks = [query["sql"] for query in queries if "FOR UPDATE" in query["sql"]]
    assert all("ORDER BY" in sql for sql in locks)
    states = Run.objects.of_batch(batch.pk).order_by("id").values_list("state", "attempt")
    assert list(states)[:3] == [("pending", 1), ("running", 2), ("cancelled", 1)]
    single.refresh_from_db()
    assert (single.state, single.token) == (RunState.QUEUED, None)
    assert Attempt.objects.filter(outcome="handed_back").count() == 39
