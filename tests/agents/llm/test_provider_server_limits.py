"""The tests' own server: what it charges, what it tells of its limits, and what it records of its windows."""

import asyncio
from typing import Any

import pytest

from agents.llm.client import LLMClient
from tests.support.provider_server import FakeServer, ServerConfig
from tests.support.provider_server.limits import KeyLimits, duration_text
from workers.errors import ErrorCode, WorkError

from .calls import ask


async def code_of(client: LLMClient, text: str, **parameters: Any) -> ErrorCode | None:
    try:
        await client.complete(ask(text, parameters=parameters))
    except WorkError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("parameters", "reserved"), [({"max_tokens": 100}, 100), ({"max_completion_tokens": 70}, 70), ({}, 16)]
)
async def test_admission_charges_what_the_answer_may_have(
    server: FakeServer, openai_client: LLMClient, parameters: dict[str, Any], reserved: int
):
    server.configure(charge="admission", tokens_per_window=10_000)
    completion = await openai_client.complete(ask("hi", parameters=parameters))
    assert server.counters.admitted_tokens == completion.usage.input_tokens + reserved


async def test_admission_refuses_for_tokens_that_are_never_used(server: FakeServer, openai_client: LLMClient):
    server.configure(charge="admission", tokens_per_window=500)
    codes = [await code_of(openai_client, "hi", max_tokens=300) for _ in range(2)]
    assert codes == [None, ErrorCode.RATE_LIMITED]
    server.configure(charge="answer")
    assert await code_of(openai_client, "hi", max_tokens=300) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.35, "350ms"), (0.0004, "0s"), (1, "1s"), (8.64, "8.64s"), (360, "6m0s"), (3725.5, "1h2m5.5s")],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str):
    assert duration_text(seconds) == text


def test_headers_say_when_the_limit_is_full_again():
    config = ServerConfig(requests_per_window=600, tokens_per_window=1000, window=60.0)
    limits = KeyLimits()
    for _ in range(2):
        limits.take(config, 100)
    assert limits.headers(config) == {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "598",
        "x-ratelimit-reset-requests": "200ms",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "800",
        "x-ratelimit-reset-tokens": "12s",
    }
    assert limits.headers(config.changed({"rate_headers": False})) == {}


async def test_most_within_a_window_is_recorded_without_limits(server: FakeServer, openai_client: LLMClient):
    server.configure(window=0.4)
    await openai_client.complete(ask("nobody watches"))
    server.configure(watch_windows=True)
    for pause in (0.0, 0.0, 0.5, 0.0):
        await asyncio.sleep(pause)
        await openai_client.complete(ask("x" * 40))
    stats = server.counters.as_dict(contents=False)
    assert (stats["admitted"], stats["max_in_window_requests"]) == (5, 2)
    tokens_a_call = stats["max_in_window_tokens"] // 2
    assert stats["max_in_window_tokens"] == 2 * tokens_a_call > 80 // 4


async def test_windows_never_exceed_limits_that_are_kept(server: FakeServer, openai_client: LLMClient):
    server.configure(requests_per_window=5)
    await asyncio.gather(*(code_of(openai_client, f"row {number}") for number in range(9)))
    assert (server.counters.max_in_window_requests, server.counters.refused) == (5, 4)


async def test_admissions_are_counted_by_second(server: FakeServer, openai_client: LLMClient):
    await asyncio.gather(*(code_of(openai_client, "now") for _ in range(3)))
    await asyncio.sleep(2.0)
    await openai_client.complete(ask("late"))
    stats = server.counters.as_dict(contents=False)
    by_second = stats["admitted_per_second"]
    assert (by_second[0], by_second[-1], sum(by_second)) == (3, 1, 4)
    assert len(by_second) >= 3
    assert sum(stats["admitted_tokens_per_second"]) == stats["admitted_tokens"] > 0


async def test_calls_beyond_the_ceiling_are_overloaded(server: FakeServer, openai_client: LLMClient):
    server.configure(overload_above=3, latency=0.2, retry_after=None)
    codes = await asyncio.gather(*(code_of(openai_client, f"row {number}") for number in range(8)))
    assert (codes.count(None), codes.count(ErrorCode.OVERLOADED)) == (3, 5)
    assert (server.counters.overloaded, server.counters.admitted) == (5, 3)
    assert await code_of(openai_client, "after them") is None


def test_unknown_charge_is_refused():
    with pytest.raises(ValueError, match="never"):
        ServerConfig().changed({"charge": "never"})
