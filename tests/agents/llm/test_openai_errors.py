"""What statuses, codes, headers and broken connections of an OpenAI-compatible server become."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from agents.llm.client import LLMClient
from agents.llm.errors import BilledError
from agents.llm.http.messages import clean_message
from agents.llm.http.retry_after import parse_retry_after
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.errors import error_of_event, error_of_response
from agents.llm.registry import provider_type
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask, call
from .conftest import KEY
from .raw_server import http, raw_server

TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 90000. "
    "The input or output tokens must be reduced in order to run successfully."
)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {}, "invalid_request"),
        (400, {"code": "context_length_exceeded"}, "context_length"),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, "context_length"),
        (400, {"code": "content_filter"}, "content_policy"),
        (400, {"message": "The response was filtered by our content management policy."}, "content_policy"),
        (400, {"code": "model_not_found"}, "not_found"),
        (400, {"code": "json_validate_failed"}, "bad_response"),
        (400, {"code": "tool_use_failed"}, "bad_response"),
        (401, {"code": "invalid_api_key"}, "invalid_key"),
        (402, {}, "quota_exhausted"),
        (403, {}, "invalid_key"),
        (404, {}, "not_found"),
        (405, {}, "invalid_request"),
        (408, {}, "timeout"),
        (409, {}, "invalid_request"),
        (413, {}, "invalid_request"),
        (422, {}, "invalid_request"),
        (429, {}, "rate_limited"),
        (429, {"type": "insufficient_quota"}, "quota_exhausted"),
        (429, {"code": "insufficient_quota", "type": "requests"}, "quota_exhausted"),
        (429, {"message": "context length"}, "rate_limited"),
        (429, {"code": "rate_limit_exceeded", "type": "tokens", "message": TOO_LARGE}, "context_length"),
        (413, {"code": "rate_limit_exceeded", "type": "tokens", "message": TOO_LARGE}, "context_length"),
        (429, {"message": "Request too large."}, "context_length"),
        (413, {"message": "Request too large for this account."}, "context_length"),
        (429, {"code": "rate_limit_exceeded", "message": "TPM: Limit 6,000, Requested 6,001"}, "context_length"),
        (429, {"code": "rate_limit_exceeded", "message": "Limit 30000, Used 29999, Requested 2"}, "rate_limited"),
        (429, {"code": "rate_limit_exceeded", "message": "Limit: 3 / min. Try again in 20s."}, "rate_limited"),
        (429, {"code": "insufficient_quota", "message": TOO_LARGE}, "quota_exhausted"),
        (500, {"message": TOO_LARGE}, "server_error"),
        (500, {}, "server_error"),
        (502, {}, "server_error"),
        (503, {}, "overloaded"),
        (520, {}, "server_error"),
        (529, {}, "overloaded"),
        (302, {}, "invalid_request"),
    ],
)
def test_status_and_body_decide_the_code(status: int, error: dict[str, Any], code: str):
    body = orjson.dumps({"error": error})
    assert error_of_response(status, {}, body, "").code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html><h1>403 Forbidden</h1>Request blocked.</html>", "invalid_request"),
        (b"", "invalid_request"),
        (b'"blocked"', "invalid_request"),
        (b'{"message": "Forbidden"}', "invalid_key"),
        (b' {"error": "no such key"}', "invalid_key"),
        (b'{"error": {"message": "Not allowed."}}', "invalid_key"),
        (b'{"error": {"code": "content_filter"}}', "content_policy"),
    ],
)
def test_a_403_of_the_api_concerns_the_key_and_one_of_a_firewall_the_request(body: bytes, code: str):
    assert error_of_response(403, {}, body, "").code == code


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b'{"error": "text"}', b'{"error": null}', b"{"])
def test_error_bodies_of_any_form_are_read(body: bytes):
    assert error_of_response(500, {}, body, "").code is ErrorCode.SERVER_ERROR


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "no", "code": 429}, "rate_limited"),
        ({"message": "no", "code": 502}, "server_error"),
        ({"type": "server_error"}, "server_error"),
        ({"code": "rate_limit_exceeded"}, "rate_limited"),
        ({"code": "content_filter"}, "content_policy"),
        ({"message": TOO_LARGE, "code": 429}, "context_length"),
        ({"message": TOO_LARGE, "code": "rate_limit_exceeded"}, "context_length"),
        ("plain words", "server_error"),
        (["odd"], "server_error"),
    ],
)
def test_errors_inside_an_answer_are_sorted(error: Any, code: str):
    raised = error_of_event(error, "")
    assert raised.code == code
    assert raised.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "1e300"}, 86_400),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_retry_after_is_read_within_bounds(headers: dict[str, str], seconds: float | None):
    assert parse_retry_after(headers) == seconds


def test_retry_after_may_be_a_date():
    moment = datetime.now(UTC) + timedelta(seconds=90)
    seconds = parse_retry_after({"retry-after": format_datetime(moment, usegmt=True)})
    assert seconds is not None
    assert 87 < seconds <= 90


def test_permanent_errors_tell_no_wait():
    assert error_of_response(400, {"retry-after": "7"}, b"", "").retry_after is None


def test_message_is_one_printable_line_without_the_key():
    message = clean_message(f"Bad\x00 key\r\n\x1b[31m {KEY}!\u202e " + "long " * 1000, KEY)
    assert message.startswith("Bad key [31m [key]! long")
    assert len(message) <= 500
    assert message.isprintable()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("forbidden", "invalid_key"),
        ("redirect", "invalid_request"),
        ("error_in_body", "server_error"),
        ("not_json", "bad_response"),
        ("empty_choices", "bad_response"),
        ("truncated", "bad_response"),
        ("reset_midway", "connection"),
        ("gzip_bomb", "bad_response"),
    ],
)
async def test_further_faults_of_a_server(
    server: FakeServer, openai_client: LLMClient, fault: str, code: str, stream: bool
):
    server.configure(faults={fault: 1.0}, huge_bytes=10_000_000)
    with pytest.raises(WorkError) as caught:
        await call(openai_client, ask("x" * 200), stream=stream)
    assert caught.value.code == code


@pytest.mark.parametrize("stream", [False, True])
async def test_filtered_answer_tells_what_it_cost(server: FakeServer, openai_client: LLMClient, stream: bool):
    server.configure(faults={"content_filter": 1.0})
    with pytest.raises(BilledError) as caught:
        await call(openai_client, ask(), stream=stream)
    assert caught.value.code is ErrorCode.CONTENT_POLICY
    assert caught.value.usage.output_tokens > 0


async def test_key_repeated_by_the_server_is_scrubbed(server: FakeServer, openai_client: LLMClient):
    server.configure(faults={"leaky_error": 1.0})
    with pytest.raises(WorkError) as caught:
        await openai_client.complete(ask())
    assert KEY not in str(caught.value)
    assert "[key]" in caught.value.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://does-not-exist.invalid/v1"])
async def test_unreachable_server_is_a_connection_error(url: str):
    client = LLMClient(provider_type("openai").connect(ProviderConfig(base_url=url)))
    with pytest.raises(WorkError) as caught:
        await client.complete(ask())
    assert caught.value.code is ErrorCode.CONNECTION
    await client.aclose()


@pytest.mark.parametrize(
    ("status", "headers", "of_one_model"),
    [
        (429, {"x-ratelimit-limit-requests": "500", "retry-after": "3"}, True),
        (429, {"x-ratelimit-limit-tokens": "30000"}, True),
        (429, {"retry-after": "3"}, False),
        (503, {"x-ratelimit-limit-requests": "500"}, False),
    ],
)
def test_a_refusal_with_limits_concerns_the_model_and_one_without_the_key(
    status: int, headers: dict[str, str], of_one_model: bool
):
    assert error_of_response(status, headers, b"", "").is_of_one_model is of_one_model


def test_a_refusal_carries_the_headers_that_tell_limits():
    headers = {"X-RateLimit-Limit-Tokens": "30000", "x-ratelimit-remaining-tokens": "0", "retry-after": "3"}
    told = {"x-ratelimit-limit-tokens": "30000", "x-ratelimit-remaining-tokens": "0"}
    assert error_of_response(429, headers, b"", "").rate_limits == told
    assert error_of_response(503, headers, b"", "").rate_limits == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_told_with_a_refusal_arrive_whichever_way_the_call_went(stream: bool):
    refusal = http(b"{}", "X-RateLimit-Limit-Requests: 5", "Retry-After: 2", status="429 Too Many Requests")
    async with raw_server() as raw:
        raw.answers = [refusal]
        client = LLMClient(provider_type("openai").connect(ProviderConfig(api_key=KEY, base_url=raw.base_url)))
        with pytest.raises(WorkError) as caught:
            await call(client, ask(), stream=stream)
        await client.aclose()
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.RATE_LIMITED, 2)
    assert caught.value.rate_limits == {"x-ratelimit-limit-requests": "5"}


@pytest.mark.parametrize("told", ["5s", None, -3, {"seconds": 5}, 5])
def test_a_wait_in_an_unknown_form_in_the_body_does_not_hide_the_error(told: Any):
    for body in ({"error": {"message": "slow", "retry_after": told}}, {"message": "slow", "retry_after": told}):
        error = error_of_response(429, {}, orjson.dumps(body), KEY)
        assert (error.code, error.retry_after, error.message) == ("rate_limited", None, "HTTP 429: slow")


def test_a_403_in_a_list_concerns_the_key():
    body = b'[{"error": {"code": 403, "message": "The key was leaked.", "status": "PERMISSION_DENIED"}}]'
    error = error_of_response(403, {}, body, KEY)
    assert (error.code, error.message) == ("invalid_key", "HTTP 403: The key was leaked.")
