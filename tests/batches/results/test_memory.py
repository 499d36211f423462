"""An export's memory does not grow with the batch."""

import os

import psutil
import pytest
from django.db import connection

from batches.ids import batch_run_id
from batches.models import Batch, Run
from batches.results import FORMATS, BatchResults
from tests.support.factories import make_batch

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


@pytest.mark.django_db(transaction=True)
def test_two_hundred_thousand_rows_are_exported_in_a_few_megabytes(tmp_path):
    batch = make_batch(rows=1)
    Run.objects.of_batch(batch.pk).update(state="succeeded", output="x" * 100, latency_ms=5)
    multiply(batch, ROWS)
    results = BatchResults(batch)
    for format in FORMATS:
        results.export(tmp_path / f"warm.{format}", code="timeout")
    before = process.memory_info().rss
    most = [before]
    assert (
        results.export(tmp_path / "out.jsonl", on_progress=lambda rows: most.append(process.memory_info().rss)) == ROWS
    )
    assert max(most) - before < 40_000_000
    with (tmp_path / "out.jsonl").open("rb") as file:
        assert sum(1 for _ in file) == ROWS
    assert results.latency().count == ROWS
