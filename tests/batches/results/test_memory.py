"""An export's memory does not grow with the batch."""

import os

import psutil
import pytest
from django.db import connection

from batches.ids import batch_run_id
from batches.models import Batch, Run
from batches.results import FORMATS, BatchResults
from tests.support.factories import make_batch

SMALL = 20_000
ROWS = 200_000
process = psutil.Process(os.getpid())


def multiply(batch: Batch, rows: int) -> None:
    """Copy row 0 of a batch in the database, until there are `rows`."""
    first = batch_run_id(batch.pk, 0)
    names = ", ".join(f'"{field.column}"' for field in Run._meta.concrete_fields if field.column not in ("id", "index"))
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s) "
            f'INSERT INTO batches_run (id, "index", {names}) '
            f"SELECT %s + n, n, {names} FROM numbers CROSS JOIN batches_run WHERE id = %s",
            [rows - 1, first, first],
        )
    Batch.objects.filter(pk=batch.pk).update(total=rows, succeeded=rows)


def finished_batch(rows: int) -> Batch:
    """Return a batch of which all rows have succeeded."""
    batch = make_batch(rows=1)
    Run.objects.of_batch(batch.pk).update(state="succeeded", output="x" * 100, latency_ms=5)
    multiply(batch, rows)
    return batch


@pytest.mark.django_db(transaction=True)
def test_two_hundred_thousand_rows_are_exported_in_a_few_megabytes(tmp_path):
    # What the first export of all brings along (compiled statements, buffers) is no growth.
    small = finished_batch(SMALL)
    for format in FORMATS:
        BatchResults(small).export(tmp_path / f"warm.{format}")
    batch = finished_batch(ROWS)
    results = BatchResults(batch)
    before = process.memory_info().rss
    # After each piece of rows that is read and written.
    used: list[int] = []
    assert (
        results.export(tmp_path / "out.jsonl", on_progress=lambda rows: used.append(process.memory_info().rss)) == ROWS
    )
    # One piece has its size; all those after it add nothing.
    assert used[0] - before < 50_000_000
    assert max(used) - used[0] < 10_000_000
    assert len(used) > 10
    with (tmp_path / "out.jsonl").open("rb") as file:
        assert sum(1 for _ in file) == ROWS
    assert results.latency().count == ROWS
