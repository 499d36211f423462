"""The queries of the hot paths use their index: none reads all rows of a batch, or of the table."""

import pytest
from django.db import connection
from django.db.models import QuerySet

from batches.models import Batch, Run
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
    make_single_run(version)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return batch


def plan(query: QuerySet[Run]) -> str:
    """Return how the database means to run `query`."""
    return query.explain()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("claim", "run_pending"),
        ("held", "run_held"),
        ("queued", "run_queued"),
        ("failed", "run_failed"),
        ("page", "INTEGER PRIMARY KEY|batches_run_pkey"),
    ],
)
def test_hot_queries_use_their_index(batch: Batch, name: str, index: str) -> None:
    queries = {
        "claim": Run.objects.filter(batch_id=batch.pk, state=RunState.PENDING).order_by("id")[:200],
        "held": Run.objects.filter(state=RunState.RUNNING, lease__in=[1]),
        "queued": Run.objects.filter(state=RunState.QUEUED).order_by("id")[:10],
        "failed": Run.objects.filter(batch_id=batch.pk, state=RunState.FAILED, error_code="timeout").order_by("id"),
        "page": Run.objects.of_batch(batch.pk).filter(id__gt=batch.run_ids[0] + 1000).order_by("id")[:50],
    }
    text = plan(queries[name])
    assert any(option in text for option in index.split("|")), text
    assert "Seq Scan" not in text
    assert "SCAN batches_run\n" not in f"{text}\n"
