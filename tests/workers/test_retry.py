"""Retry policies: how delays grow, and what is refused."""

import pytest

from workers.errors import InvalidInput
from workers.retry import RetryPolicy, RetryStrategy


def test_exponential_delays_double_with_jitter_up_to_the_ceiling() -> None:
    policy = RetryPolicy(base_seconds=1, max_seconds=8)
    for tries, ceiling in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (1000, 8)]:
        delays = [policy.delay(tries) for _ in range(200)]
        assert ceiling / 2 <= min(delays) <= max(delays) <= ceiling
        assert len(set(delays)) > 100


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [(RetryStrategy.LINEAR, [2, 4, 5, 5]), (RetryStrategy.FIXED, [2, 2, 2, 2]), (RetryStrategy.PROVIDER, [2, 2, 2, 2])],
)
def test_other_strategies_without_a_told_wait(strategy: RetryStrategy, expected: list[float]) -> None:
    policy = RetryPolicy(strategy, base_seconds=2, max_seconds=5)
    assert [policy.delay(tries) for tries in (1, 2, 3, 4)] == expected


@pytest.mark.parametrize("strategy", list(RetryStrategy))
def test_no_strategy_comes_back_before_the_provider_said(strategy: RetryStrategy) -> None:
    assert RetryPolicy(strategy, base_seconds=1, max_seconds=2).delay(1, retry_after=30) == 30


def test_provider_told_waits_exactly_what_it_was_told() -> None:
    assert RetryPolicy(RetryStrategy.PROVIDER, base_seconds=9, max_seconds=9).delay(3, retry_after=0.5) == 0.5


def test_a_policy_survives_its_json() -> None:
    policy = RetryPolicy(RetryStrategy.LINEAR, 7, 0.5, 12)
    assert RetryPolicy.parse(policy.as_dict()) == policy
    assert RetryPolicy.parse({}) == RetryPolicy()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strategy": "never"}, "retry.strategy must be one of: exponential, linear, fixed, provider"),
        ({"tries": 3}, "retry.tries is not a setting"),
        ({"max_tries": 0}, "retry.max_tries must be a number from 1 to 100"),
        ({"max_tries": 2.5}, "whole number"),
        ({"max_tries": True}, "retry.max_tries"),
        ({"base_seconds": "1"}, "retry.base_seconds"),
        ({"base_seconds": 10, "max_seconds": 5}, "retry.max_seconds must be at least"),
        ({"base_seconds": float("nan")}, "retry.base_seconds"),
    ],
)
def test_bad_policies_name_the_setting(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        RetryPolicy.parse(values)
