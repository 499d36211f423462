"""Anthropic's errors and limits, sorted."""

import json
from typing import Any

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.anthropic.errors import error_of_response
from agents.llm.providers.anthropic.limits import told_headers
from agents.llm.rate_headers import ToldLimits, told_limits
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask
from .conftest import KEY


def limit(kind: str, most: int, left: int, reset: str = "2025-08-21T12:41:00Z") -> dict[str, str]:
    values = {"limit": str(most), "remaining": str(left), "reset": reset}
    return {f"Anthropic-RateLimit-{kind}-{name}": value for name, value in values.items()}


def error(
    status: int, kind: str = "", message: str = "", cause: str | None = None, headers: dict[str, str] | None = None
) -> WorkError:
    details = {"details": {"error_code": cause}} if cause else {}
    body = {"type": "error", "error": {"type": kind, "message": message, **details}}
    return error_of_response(status, headers or {}, json.dumps(body).encode(), KEY)


@pytest.mark.parametrize(
    ("status", "kind", "message", "code"),
    [
        (400, "invalid_request_error", "messages: Field required", "invalid_request"),
        (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum", "context_length"),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9", "context_length"),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", "quota_exhausted"),
        (400, "invalid_request_error", "You have reached your specified API usage limits.", "quota_exhausted"),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "content_policy"),
        (401, "authentication_error", "invalid x-api-key", "invalid_key"),
        (401, "invalid_request_error", "Incorrect API key provided.", "invalid_key"),
        (404, "invalid_request_error", "The model does not exist.", "not_found"),
        (402, "billing_error", "Billing", "quota_exhausted"),
        (403, "permission_error", "Not allowed", "invalid_key"),
        (404, "not_found_error", "model: claude-x", "not_found"),
        (409, "conflict_error", "Conflict", "invalid_request"),
        (413, "request_too_large", "Request exceeds the maximum size", "context_length"),
        (429, "rate_limit_error", "This request would exceed your rate limit", "rate_limited"),
        (500, "api_error", "Internal server error", "server_error"),
        (504, "timeout_error", "Request timeout", "timeout"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
        (400, "overloaded_error", "Overloaded", "overloaded"),
    ],
)
def test_types_and_words(status: int, kind: str, message: str, code: str):
    found = error(status, kind, message)
    assert found.code == code
    assert found.message == f"HTTP {status}: {message}"


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("enforced_spend_limit_reached", "quota_exhausted"),
        ("contract_spend_limit_reached", "quota_exhausted"),
        ("ramp_limit_exceeded", "rate_limited"),
        ("organization_on_hold", "invalid_key"),
    ],
)
def test_exact_cause_counts_before_the_type(cause: str, code: str):
    assert error(429, "rate_limit_error", "Limit", cause).code == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", "invalid_key"),
        (403, b"<html>", "invalid_request"),
        (403, b"{}", "invalid_key"),
        (413, b"<html>", "context_length"),
        (429, b"slow down", "rate_limited"),
        (502, b"<html>", "server_error"),
        (503, b"", "overloaded"),
        (529, b"", "overloaded"),
        (418, b"[]", "invalid_request"),
        (400, b'{"error": "odd"}', "invalid_request"),
        (401, b'{"error": {"type": "invalid_request_error", "message": "No."}}', "invalid_key"),
        (400, b'{"error": {"type": ["x"], "message": 5, "details": []}}', "invalid_request"),
    ],
)
def test_bodies_that_are_not_anthropics(status: int, body: bytes, code: str):
    assert error_of_response(status, {}, body, KEY).code == code


def test_message_is_clean_and_without_the_key():
    found = error(400, "invalid_request_error", f"bad\n\x1b[31m {KEY}" + "x" * 1000)
    assert found.message.isprintable()
    assert KEY not in found.message
    assert len(found.message) < 600


def test_wait_is_told_where_waiting_helps():
    headers = {"retry-after": "7"}
    assert error(429, "rate_limit_error", headers=headers).retry_after == 7
    assert error(529, "overloaded_error", headers=headers).retry_after == 7
    assert error(400, "invalid_request_error", headers=headers).retry_after is None
    assert error(429, "rate_limit_error", cause="enforced_spend_limit_reached", headers=headers).retry_after is None


def test_refusal_that_tells_limits_is_of_one_model():
    found = error(429, "rate_limit_error", headers=limit("requests", 50, 0))
    assert found.is_of_one_model
    assert found.rate_limits["x-ratelimit-limit-requests"] == "50"
    assert not error(429, "rate_limit_error").is_of_one_model


def test_limits_are_told_in_the_words_of_all_providers():
    # As recorded from the API in August 2025.
    headers = (
        limit("requests", 1000, 999, "2025-08-21T12:40:59Z")
        | limit("input-tokens", 80_000, 60_000, "2025-08-21T12:41:15Z")
        | limit("output-tokens", 16_000, 16_000)
        | limit("tokens", 96_000, 76_000, "2025-08-21T12:41:13Z")
    )
    assert told_headers(headers) == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "999",
        "x-ratelimit-limit-tokens": "80000",
        "x-ratelimit-remaining-tokens": "60000",
    }
    assert told_limits(told_headers(headers)) == ToldLimits(1000, 80_000, 0.75)


def test_scarcest_of_the_token_limits_counts():
    headers = limit("input-tokens", 80_000, 79_000) | limit("output-tokens", 16_000, 4_000, "2025-08-21T12:41:45Z")
    assert told_limits(told_headers(headers)) == ToldLimits(0, 80_000, 0.25)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, {}),
        ({"x-ratelimit-limit-tokens": "5"}, {"x-ratelimit-limit-tokens": "5"}),
        ({"anthropic-ratelimit-tokens-limit": "-5"}, {}),
        ({"anthropic-ratelimit-tokens-limit": "0", "anthropic-ratelimit-tokens-remaining": "0"}, {}),
        ({"anthropic-ratelimit-tokens-limit": "9" * 40}, {}),
        ({"anthropic-ratelimit-requests-limit": "5"}, {"x-ratelimit-limit-requests": "5"}),
        (
            limit("requests", 5, 9, "soon"),
            {"x-ratelimit-limit-requests": "5", "x-ratelimit-remaining-requests": "5"},
        ),
    ],
)
def test_headers_that_tell_nothing_usable(headers: dict[str, str], told: dict[str, str]):
    assert told_headers(headers) == told


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_of_an_answer_are_kept(server: FakeServer, anthropic_client: LLMClient, stream: bool):
    server.configure(requests_per_window=5, tokens_per_window=10_000)
    request: Any = ask("hello")
    if stream:
        chunks = [chunk async for chunk in anthropic_client.stream(request)]
        limits = chunks[-1].rate_limits  # type: ignore[union-attr]
    else:
        limits = (await anthropic_client.complete(request)).rate_limits
    assert limits["x-ratelimit-limit-requests"] == "5"
    assert limits["x-ratelimit-limit-tokens"] == "10000"
    assert told_limits(limits).remaining_tokens == pytest.approx(1, abs=0.05)


async def test_limit_is_refused_with_its_wait(server: FakeServer, anthropic_client: LLMClient):
    server.configure(requests_per_window=1)
    await anthropic_client.complete(ask())
    with pytest.raises(WorkError) as caught:
        await anthropic_client.complete(ask())
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert caught.value.is_of_one_model
    assert 55 < (caught.value.retry_after or 0) <= 60
