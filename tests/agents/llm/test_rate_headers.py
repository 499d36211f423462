"""What is read from the headers that tell limits."""

import timeit

import pytest

from agents.llm.rate_headers import MOST_PER_MINUTE, ToldLimits, duration, told_limits


def headers(kind: str, limit: str, remaining: str | None = None, reset: str | None = None) -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{name}-{kind}": value for name, value in values.items() if value is not None}


def requests_told(*values: str | None) -> int:
    return told_limits(headers("requests", *values)).requests_per_minute  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds", "rounding"),
    [
        ("1s", 1, 1),
        ("6m0s", 360, 1),
        ("20ms", 0.02, 0.001),
        ("1h2m", 3720, 60),
        ("1h2m3.25s", 3723.25, 0.01),
        ("2d", 172_800, 86_400),
        ("30", 30, 1),
        ("7.5", 7.5, 0.1),
        ("250us", 0.00025, 1e-6),
        ("250µs", 0.00025, 1e-6),
        ("0s", 0, 1),
    ],
)
def test_durations_are_read(text: str, seconds: float, rounding: float):
    assert duration(text) == (pytest.approx(seconds), pytest.approx(rounding))


@pytest.mark.parametrize(
    "text", ["", "s", "soon", "-1s", "1s ", "1 s", "nan", "inf", "1e3", "5w", "1s2", "٣s", "9" * 50]
)
def test_what_is_no_duration_is_none(text: str):
    assert duration(text) is None


def test_nothing_told():
    assert told_limits({}) == told_limits({"x-request-id": "a", "x-ratelimit-reset-tokens": "1s"}) == ToldLimits()


def test_requests_and_tokens_are_told_together():
    told = told_limits(headers("requests", "500", "499", "120ms") | headers("tokens", "30000", "7500", "45s"))
    assert told == ToldLimits(500, 30_000, 0.25)


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "expected"),
    [
        ("500", None, None, 500),
        ("500", "100", None, 500),
        ("500", None, "30s", 500),
        ("500", "499", "120ms", 500),
        ("500", "0", "1m0s", 500),
        # Per day.
        ("10000", "9999", "8.64s", 0),
        ("200", "199", "7m12s", 0),
        ("200", None, "23h", 0),
        ("200", "200", "24h0m0s", 0),
        ("100", "0", "4m1s", 0),
        ("100", "100", "4m1s", 0),
        # Per second, ten seconds.
        ("10", "9", "100ms", 600),
        ("10", "5", "5s", 60),
        ("10", "0", "14s", 42),
        # A minute's window whose end is told, from its begin to near its end.
        ("100", "75", "55s", 100),
        ("100", "50", "50s", 100),
        ("100", "40", "50s", 100),
        ("100", "10", "30s", 100),
        ("100", "0", "22s", 100),
        ("100", "0", "15s", 100),
        ("100", "0", "4m0s", 100),
        ("100", "100", "59s", 100),
        ("1", "0", "1m40s", 1),
        # So little is used that the rounding hides the period.
        ("30000", "29999", "2ms", 30_000),
        ("500000", "499999", "1ms", 500_000),
        ("500000", "499999", "0s", 500_000),
        ("100", "99", "1s", 100),
        ("500", "500", "0s", 500),
        ("500", "900", "1s", 500),
        ("500", "-3", "1s", 500),
    ],
)
def test_limit_is_told_per_minute(limit: str, remaining: str | None, reset: str | None, expected: int):
    assert requests_told(limit, remaining, reset) == expected


@pytest.mark.parametrize("reset", ["soon", "NaN", "-5s", "", "inf", "x" * 10_000])
def test_reset_that_cannot_be_read_counts_as_none(reset: str):
    assert requests_told("500", "499", reset) == 500


@pytest.mark.parametrize(
    "limit", ["", "NaN", "inf", "-1", "0", "many", "1e9", "500, 500", "9" * 16, "9" * 10_000, "٥٠٠"]
)
def test_limit_that_cannot_be_read_is_not_told(limit: str):
    told = told_limits(headers("requests", limit, "1", "1s") | headers("tokens", limit, "1", "1s"))
    assert told == ToldLimits()


def test_limit_beyond_reason_is_not_told():
    assert requests_told(str(MOST_PER_MINUTE)) == MOST_PER_MINUTE
    assert requests_told(str(MOST_PER_MINUTE + 1)) == 0
    assert requests_told("1000000", "0", "1ns") == 0


@pytest.mark.parametrize(
    ("remaining", "share"), [("0", 0), ("15000", 0.5), ("30000", 1), ("90000", 1), ("-4", None), ("nan", None)]
)
def test_remaining_tokens_are_a_share(remaining: str, share: float | None):
    assert told_limits(headers("tokens", "30000", remaining)).remaining_tokens == share


def test_share_of_a_daily_limit_is_not_told():
    assert told_limits(headers("tokens", "1000000", "500000", "12h")) == ToldLimits()


def test_answers_without_limits_cost_nothing():
    plain = {f"header-{number}": "value" for number in range(20)}
    # The best of several tries, since the machine is shared; the bound is 5 us a call.
    assert min(timeit.repeat(lambda: told_limits(plain), number=1000, repeat=5)) < 0.005
