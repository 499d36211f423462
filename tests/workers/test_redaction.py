"""Secrets are masked wherever they stand in a log line."""

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import pytest

from workers.redaction import MASK, masked, masked_text, redact

pytestmark = pytest.mark.security

KEY = "sk-proj-AbCdEf0123456789"


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "api_key",
        "apikey",
        "API_KEY",
        "openai-api-key",
        "x-api-key",
        "token",
        "access_token",
        "password",
        "Authorization",
        "secret",
        "client_secret",
        "cookie",
        "prompt",
    ],
)
def test_values_are_masked_by_the_name_they_stand_under(name: str):
    assert redact(None, "info", {"event": "x", name: "hush"})[name] == MASK
    assert masked({"headers": [{name: "hush"}]}) == {"headers": [{name: MASK}]}


@pytest.mark.parametrize("name", ["input_tokens", "key_id", "tokens", "monkey", "keys", "custom_id", "prompts", "task"])
def test_names_that_only_look_alike_are_left_alone(name: str):
    assert redact(None, "info", {name: "plain"})[name] == "plain"


@pytest.mark.parametrize(
    "text",
    [
        f"failed with Bearer {KEY}",
        "Authorization: Bearer abc.def-ghi~jkl+/=",
        f"Incorrect API key provided: {KEY}.",
        "token arb_0123456789abcdefABCDEF is gone",
        "api_key=hush-hush&model=x",
        "{'api_key': 'hush-hush', 'model': 'x'}",
        '{"password": "hush-hush \\" hush", "a": 1}',
        'ProviderConfig(api_key="hush-hush")',
        "prompt='My name is hush-hush'",
        "GET /sign-in/hush-hush:abc/?next=/",
        "password = hush-hush",
        "OPENAI_API_KEY=hush-hush",
    ],
)
def test_secrets_are_masked_within_text(text: str):
    result = masked_text(text)

    assert MASK in result
    for secret in (KEY, "hush", "abc.def", "jkl", "0123456789abcdef"):
        assert secret not in result


@pytest.mark.parametrize(
    "text",
    [
        "run 7 of batch 3 failed: timeout",
        "column 'key' is missing",
        "the bearer of bad news"[:10],
        "GET /sign-in/?next=/batches/",
        "tokens=300 input_tokens=12",
    ],
)
def test_plain_text_is_left_as_it_is(text: str):
    assert masked_text(text) == text


def test_values_become_plain_data():
    class Odd:
        def __str__(self) -> str:
            return f"Odd(api_key={KEY})"

    values: dict[str, Any] = {
        "odd": Odd(),
        "cost": Decimal("1.5"),
        "day": dt.date(2026, 1, 2),
        "pair": (1, None),
        "flag": True,
        "raw": b"x",
    }

    result = masked(values)

    assert KEY not in str(result)
    assert (result["cost"], result["day"], result["pair"], result["flag"]) == ("1.5", "2026-01-02", [1, None], True)


def test_depth_is_bounded():
    nested: Any = {"api_key": KEY}
    for _ in range(50):
        nested = {"in": nested}

    assert KEY not in str(masked(nested))


@pytest.mark.parametrize(
    "text", ["a-" * 200_000, "key" * 100_000, "password='" + "\\" * 200_000, '"' * 200_000, "_" * 300_000]
)
def test_hostile_text_takes_no_time(text: str):
    started = time.perf_counter()
    masked_text(text)

    assert time.perf_counter() - started < 0.5


def test_very_long_text_is_cut_without_baring_what_lies_on_the_edge():
    result = masked_text("x" * 19_990 + f" api_key={KEY} " + "y" * 1_000_000)

    assert len(result) < 20_100
    assert "more characters" in result
    assert KEY[:6] not in result
