"""How figures, times and JSON are written, and how progress is told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from batches.models import Batch
from batches.states import BatchState
from dashboard.formats import brief_json, duration, grouped, money, pretty_json, since
from dashboard.progress import progress_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "–"),
        (Decimal(0), "$0"),
        (Decimal("0.0000001"), "< $0.000001"),
        (Decimal("0.00034"), "$0.000340"),
        (Decimal("0.5"), "$0.5000"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_money(amount: Decimal | None, text: str):
    assert money(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.34, "340 ms"),
        (1.26, "1.3 s"),
        (59.4, "59 s"),
        (80, "1 m 20 s"),
        (3600, "1 h 0 m"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration(seconds: float | None, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "just now"), (30, "30 s ago"), (3 * 3600, "3 h ago"), (2 * 86_400, "2 d ago"), (8 * 86_400, "2026-02-21")],
)
def test_since(seconds: int, text: str):
    assert since(NOW - timedelta(seconds=seconds), NOW) == text


def test_grouped():
    assert [grouped(1_000_000), grouped(None)] == ["1,000,000", "–"]


def test_json_is_indented_and_keeps_digits_order_and_letters():
    assert pretty_json('{"b": 123456789012345678901234567890, "a": "ü"}') == (
        '{\n  "b": 123456789012345678901234567890,\n  "a": "ü"\n}'
    )
    assert pretty_json("no json") == "no json"
    assert "nested too deeply" in pretty_json("[" * 100_000 + "]" * 100_000)


def test_brief_json_is_one_line_where_that_is_short():
    assert brief_json({"a": 1}) == '{ "a": 1 }'
    assert "\n" in brief_json({"a": "x" * 200})


def batch(**fields: object) -> Batch:
    return Batch(**({"state": BatchState.RUNNING, "total": 10_000, "started_at": NOW - timedelta(minutes=10)} | fields))


def test_progress_is_never_whole_before_the_end():
    assert progress_of(batch(succeeded=9_999), NOW).percent == 99
    assert progress_of(batch(succeeded=9_000, failed=1_000), NOW).percent == 100


def test_progress_tells_rate_and_remaining_time():
    progress = progress_of(batch(succeeded=2_000, failed=500), NOW)

    assert progress.rate_per_minute == pytest.approx(250)
    assert progress.remaining_seconds == pytest.approx(30 * 60)
    assert [(one.count, one.start, one.width) for one in progress.segments[:2]] == [(2_000, 0, 200), (500, 200, 50)]


def test_progress_of_an_ended_batch_stands_still():
    ended = batch(state=BatchState.CANCELLED, succeeded=10, cancelled=9_990, finished_at=NOW - timedelta(minutes=5))

    progress = progress_of(ended, NOW)

    assert (progress.elapsed, progress.remaining_seconds, progress.is_over) == (300, None, True)


def test_progress_of_a_batch_that_has_not_started_or_has_no_rows():
    assert progress_of(batch(started_at=None), NOW).elapsed is None
    assert progress_of(batch(started_at=NOW, succeeded=1), NOW).rate is None
    assert progress_of(batch(total=0, state=BatchState.COMPLETED), NOW).percent == 100
