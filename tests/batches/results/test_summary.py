"""Counts, errors, latency."""

import statistics
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.models import Run
from batches.results import BatchResults
from batches.results.summary import latency_of
from batches.states import BatchState
from tests.support.factories import make_batch

from .finished import failed, make_finished


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
