"""Counts, errors, latency."""

import statistics
from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from batches.management.summary_text import summary_text
from batches.models import Run
from batches.results import BatchResults
from batches.results.engine import read_engine
from batches.results.summary import latency_of, running_count, suspect_count
from batches.states import BatchState
from tests.support.factories import make_batch

from .finished import STARTED, failed, make_finished


@pytest.mark.django_db(transaction=True)
def test_a_finished_batch_is_summed_up():
    results = [{"latency_ms": 100 * number, "cost": "0.001"} for number in range(1, 11)]
    results += [failed("timeout", "slow", latency_ms=9999), failed("schema_mismatch", "first"), failed("timeout")]
    results += [{"state": "cancelled"}, {"state": "expired"}]
    summary = BatchResults(make_finished(results)).summary()
    counts = summary.counts
    assert counts.total == 15
    assert {state: count for state, count in counts.states.items() if count} == {
        "succeeded": 10,
        "failed": 3,
        "cancelled": 1,
        "expired": 1,
    }
    assert (counts.input_tokens, counts.output_tokens, counts.cost) == (150, 75, Decimal("0.01"))
    assert (counts.wall_seconds, counts.runs_per_second) == (10.0, 1.5)
    assert [(group.code, group.category, group.count, group.index, group.message) for group in summary.errors] == [
        ("timeout", "transient", 2, 10, "slow"),
        ("schema_mismatch", "permanent", 1, 11, "first"),
    ]
    latency = summary.latency
    assert latency is not None
    assert (latency.count, latency.mean, latency.p50, latency.p90, latency.p95, latency.p99) == (
        10, 550.0, 500, 900, 1000, 1000,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_rows_that_the_store_served_are_told():
    batch = make_finished([{"is_cached": True, "latency_ms": 0}, {"is_cached": True, "latency_ms": 1}, {}])
    summary = BatchResults(batch).summary()
    assert "  cached   2 rows answered from the store, at no cost" in summary_text(batch, summary).splitlines()


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_has_not_begun_has_only_pending_rows():
    summary = BatchResults(make_batch(rows=4)).summary()
    assert summary.counts.states["pending"] == 4
    assert sum(summary.counts.states.values()) == 4
    assert (summary.counts.wall_seconds, summary.counts.runs_per_second) == (None, None)
    assert (summary.errors, summary.latency) == ([], None)


@pytest.mark.django_db(transaction=True)
def test_a_running_batch_counts_what_has_not_ended():
    states = ["running", "running", "waiting", "pending", "pending", "pending", "succeeded"]
    batch = make_finished([{"state": state} for state in states], state=BatchState.RUNNING)
    batch.finished_at = None
    batch.save()
    make_batch(rows=3)
    counts = BatchResults(batch).counts()
    assert {state: count for state, count in counts.states.items() if count} == {
        "running": 2,
        "pending": 4,
        "succeeded": 1,
    }
    assert counts.wall_seconds > 10


@pytest.mark.django_db(transaction=True)
def test_suspects_are_waiting_rows_that_a_process_died_with():
    other = make_batch(rows=3)
    Run.objects.of_batch(other.pk).update(crash_slice=3)
    rows = [{"state": "pending", "crash_slice": 2}] * 2 + [{"state": "pending"}, {"state": "running", "crash_slice": 2}]
    ended = {"crash_slice": 9, "finished_at": STARTED}
    batch = make_finished([*rows, ended], state=BatchState.RUNNING)
    counts = BatchResults(batch).counts()
    assert (counts.suspects, counts.states["running"], counts.states["pending"]) == (2, 1, 3)
    assert BatchResults(make_finished([ended])).counts().suspects == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("statement", "index"), [(running_count, "run_held"), (suspect_count, "run_suspect")])
def test_what_is_running_and_suspects_are_counted_in_their_index(statement, index):
    batch = make_batch(rows=3_000, state=BatchState.RUNNING)
    compiled = statement(batch.pk).compile(read_engine(), compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(explain + str(compiled))
            plan = "\n".join(str(row) for row in cursor.fetchall())
            assert index in plan
            assert "Seq Scan" not in plan
            cursor.execute("ANALYZE")


@pytest.mark.django_db(transaction=True)
def test_counts_and_errors_read_no_row_that_succeeded(django_assert_num_queries):
    batch = make_finished([{} for _ in range(5)] + [failed("timeout")])
    Run.objects.of_batch(batch.pk).filter(state="succeeded").delete()
    results = BatchResults(batch)
    with django_assert_num_queries(0):
        assert results.counts().states["succeeded"] == 5
        assert results.errors()[0].count == 1


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=60))
def test_percentiles_are_the_nearest_ranks(latencies):
    latencies.sort()
    counts = [(value, latencies.count(value)) for value in sorted(set(latencies))]
    latency = latency_of(counts)
    assert latency.count == len(latencies)
    assert latency.mean == pytest.approx(statistics.fmean(latencies))
    for percent, found in ((50, latency.p50), (90, latency.p90), (95, latency.p95), (99, latency.p99)):
        rank = -(-percent * len(latencies) // 100)
        assert found == latencies[rank - 1]
