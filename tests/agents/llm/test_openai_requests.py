"""What goes out to an OpenAI-compatible server, and how its answers are read."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.llm.client import LLMClient
from agents.llm.http.sse import ALIVE, read_events
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.kind import CompatibleType
from agents.llm.providers.openai.strictness import is_strict
from agents.llm.providers.openai.wire import parse_completion, request_body
from agents.llm.registry import provider_type
from agents.llm.types import MOST_TOKENS, Message, ToolCall, ToolSpec, Usage
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask, call
from .conftest import KEY

CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


async def test_headers_are_the_credentials_and_nothing_of_the_environment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {
        "OPENAI_API_KEY": "env-key",
        "OPENAI_ADMIN_KEY": "env-admin",
        "OPENAI_ORG_ID": "env-org",
        "OPENAI_PROJECT_ID": "env-project",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/env",
        "OPENAI_CUSTOM_HEADERS": "X-Env: leak\nHost: env.example\nAuthorization: Bearer env-header",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    config = ProviderConfig(api_key=KEY, base_url=server.base_url, organisation="our-org")
    client = LLMClient(provider_type("openai").connect(config))
    for stream in (False, True):
        await call(client, ask(correlation_id="run-1"), stream=stream)
        headers = {name.lower(): value for name, value in server.last_headers.items()}
        assert headers.pop("authorization") == f"Bearer {KEY}"
        assert headers.pop("openai-organization") == "our-org"
        assert headers.pop("x-request-id") == "run-1"
        assert headers.pop("accept-encoding") == "identity"
        assert headers.pop("host") == urlsplit(server.base_url).netloc
        assert set(headers) <= {"accept", "content-type", "content-length", "user-agent"}
    await client.aclose()


@pytest.mark.parametrize("correlation_id", ["line\r\nX-Evil: 1", "schlüssel", ""])
async def test_correlation_id_that_no_header_can_carry_is_left_out(
    server: FakeServer, openai_client: LLMClient, correlation_id: str
):
    await openai_client.complete(ask(correlation_id=correlation_id))
    assert not {"X-Request-ID", "x-request-id", "X-Evil"} & set(server.last_headers)


async def test_server_without_a_key_gets_a_placeholder(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "env-key")
    client = LLMClient(provider_type("openai").connect(ProviderConfig(base_url=server.base_url)))
    await client.complete(ask())
    assert server.last_headers["Authorization"] == "Bearer no-key"
    await client.aclose()


async def test_wrong_key_is_refused_for_models_as_well(server: FakeServer, openai_client: LLMClient):
    server.configure(keys=["another"])
    for attempt in (openai_client.list_models(), openai_client.complete(ask())):
        with pytest.raises(WorkError) as caught:
            await attempt
        assert caught.value.code is ErrorCode.INVALID_KEY


async def test_rate_limit_headers_are_kept(server: FakeServer, openai_client: LLMClient):
    server.configure(requests_per_window=5)
    completion = await openai_client.complete(ask())
    assert completion.rate_limits == {
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "4",
        "x-ratelimit-reset-requests": "12s",
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_usage_is_estimated(server: FakeServer, openai_client: LLMClient, stream: bool):
    server.configure(usage=False, reply="fixed", text="x" * 40)
    completion = await call(openai_client, ask("y" * 80), stream=stream)
    assert completion.usage.output_tokens == 10
    assert completion.usage.input_tokens == 24


def test_body_holds_messages_tools_schema_and_parameters():
    tool = ToolSpec("now", "Tells the time.", {"type": "object", "properties": {}})
    messages = (
        Message("system", "Be brief."),
        Message("user", "When?"),
        Message("assistant", "", (ToolCall("1", "now", "{}"),)),
        Message("tool", "noon", tool_call_id="1"),
    )
    request = ask(messages=messages, tools=(tool,), output_schema=CLOSED, parameters={"temperature": 0})
    body = request_body(request, stream=True)
    assert body["model"] == "fake-small"
    assert body["temperature"] == 0
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "When?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "1"},
    ]
    assert body["tools"][0]["function"]["name"] == "now"
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": CLOSED, "strict": True}
    assert body["stream_options"] == {"include_usage": True}


def test_parameters_cannot_replace_what_arboretum_fills_in():
    hostile = {"model": "other", "messages": [], "stream": True, "extra_body": {"model": "other", "top_k": 3}}
    body = request_body(ask("mine", parameters=hostile), stream=False)
    assert body["model"] == "fake-small"
    assert body["messages"] == [{"role": "user", "content": "mine"}]
    assert body["top_k"] == 3


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"type": "array", "items": CLOSED}, True),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({"anyOf": [CLOSED, {"type": "object", "properties": {"b": {}}}]}, False),
        ({**CLOSED, "properties": {"a": {"type": "object", "properties": {}}}}, False),
        ({"type": "string"}, True),
        # Data that looks like an open schema.
        ({"const": {"type": "object"}}, True),
        ({**CLOSED, "properties": {"a": {"enum": [{"type": "object"}, {"properties": {}}]}}}, True),
        ({"type": "string", "default": {"type": "object"}, "examples": [{"type": "object"}]}, True),
        # Fields that are called like keywords are schemas all the same.
        ({**CLOSED, "properties": {"default": {"type": "object"}}, "required": ["default"]}, False),
        # Definitions are held to the same.
        ({**CLOSED, "$defs": {"b": CLOSED}}, True),
        ({**CLOSED, "$defs": {"b": {**CLOSED, "required": []}}}, False),
        ({"$ref": "#/$defs/b", "$defs": {"b": CLOSED}}, True),
        ({"type": ["object", "null"]}, False),
        ({"type": ["string", "null"]}, True),
        ({"type": "array"}, True),
        # Refused by OpenAI wherever it stands.
        ({**CLOSED, "properties": {"a": {"$ref": "#/$defs/b", "description": "Told."}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}, False),
        ({**CLOSED, "properties": {"a": {"oneOf": [{"type": "string"}]}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "format": "uri"}}}, False),
        ({**CLOSED, "properties": {"a": {"type": "string", "format": "date-time", "minLength": 1}}}, True),
        ({**CLOSED, "properties": {"a": {}}}, False),
        ({**CLOSED, "properties": {"a": True}}, False),
        # What older drafts let pass.
        ({**CLOSED, "required": True}, False),
        ({**CLOSED, "$defs": 3}, False),
    ],
)
def test_only_closed_schemas_are_strict(schema: dict[str, Any], strict: bool):
    assert is_strict(schema) is strict


@pytest.mark.parametrize("stream", [False, True])
async def test_prompt_that_is_no_valid_text_is_refused_without_quoting_it(openai_client: LLMClient, stream: bool):
    with pytest.raises(WorkError) as caught:
        await call(openai_client, ask("secret prompt \ud800"), stream=stream)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert "secret" not in caught.value.message


def answer(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}], "id": "abc", "model": "real-model"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hi"}, "hi"),
        ({"content": None}, ""),
        ({}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "image"}, 3]}, "ab"),
        ({"content": 3, "tool_calls": "odd"}, ""),
    ],
)
def test_content_of_any_form_is_read(message: dict[str, Any], text: str):
    completion = parse_completion(answer(**message), {}, ask(), "")
    assert (completion.text, completion.model, completion.request_id) == (text, "real-model", "abc")


def test_arguments_sent_as_an_object_become_text():
    calls = [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]
    assert parse_completion(answer(tool_calls=calls), {}, ask(), "").tool_calls == (ToolCall("1", "f", '{"a":1}'),)


@pytest.mark.parametrize(
    ("parsed", "code"),
    [
        ({}, "bad_response"),
        ({"choices": []}, "bad_response"),
        ({"choices": "odd"}, "bad_response"),
        ({"choices": [None]}, "bad_response"),
        ({"choices": [{}]}, "bad_response"),
        (answer(tool_calls=[{"id": "1"}]), "bad_response"),
        (answer(tool_calls=[None]), "bad_response"),
        (answer(content=None, refusal="I cannot help with that."), "content_policy"),
        ({"error": {"code": 429}}, "rate_limited"),
    ],
)
def test_answers_without_an_answer_are_errors(parsed: dict[str, Any], code: str):
    with pytest.raises(WorkError) as caught:
        parse_completion(parsed, {}, ask(), "")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "usage", [None, [], {"prompt_tokens": "7"}, {"prompt_tokens": -7, "completion_tokens": 1}, {"prompt_tokens": True}]
)
def test_unusable_usage_is_estimated(usage: Any):
    completion = parse_completion({**answer(content="abcd"), "usage": usage}, {}, ask("abcd"), "")
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (5, 1)


def test_usage_beyond_all_reason_is_capped():
    usage = {"prompt_tokens": 10**30, "completion_tokens": MOST_TOKENS - 1}
    completion = parse_completion({**answer(content="abcd"), "usage": usage}, {}, ask("abcd"), "")
    assert completion.usage == Usage(MOST_TOKENS, MOST_TOKENS - 1)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_events_are_read_however_they_are_cut():
    raw = b': ping\r\n\r\nevent: x\ndata: {"a":\xc3\xa4}\r\n\r\nid: 3\ndata:two\n\ndata: last'
    expected = [ALIVE, '{"a":ä}'.encode(), b"two", b"last"]
    for size in (1, 2, 7, len(raw)):
        cut = [raw[at : at + size] for at in range(0, len(raw), size)]
        assert [data async for data in read_events(pieces(*cut), 100)] == expected


async def test_line_beyond_the_bound_is_refused():
    with pytest.raises(WorkError) as caught:
        _ = [data async for data in read_events(pieces(*[b"x" * 40] * 3), 100)]
    assert caught.value.code is ErrorCode.BAD_RESPONSE


def test_known_models_have_prices_and_others_none():
    kind = provider_type("openai")
    assert kind.defaults("gpt-4o-mini").input_price
    assert kind.defaults("something-local") == replace(kind.defaults("something-local"), input_price=None)


@pytest.mark.parametrize("schema", [{"type": "array", "items": CLOSED}, {"anyOf": [CLOSED]}, {"$ref": "#/$defs/a"}])
def test_openai_is_only_given_schemas_of_objects(schema: dict[str, Any]):
    body = request_body(ask("hi", output_schema=schema), stream=False)
    assert "response_format" not in body
    assert "JSON schema" in body["messages"][0]["content"]
    kind = provider_type("vllm")
    assert isinstance(kind, CompatibleType)
    assert "json_schema" in request_body(ask("hi", output_schema=schema), kind.dialect, stream=False)["response_format"]
