"""What goes out to Anthropic: headers, turns, parameters, images and files."""

import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.anthropic.wire import request_body
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import EmbeddingRequest, FilePart, ImagePart, Message, ToolCall, ToolSpec
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, InvalidInput, WorkError

from .calls import ask, call
from .conftest import KEY

NOW = ToolSpec("now", "Tells the time.", {"type": "object", "properties": {}})
PNG = "data:image/png;base64,aGVsbG8="


def body(*messages: Message, model: str = "claude-sonnet-5-5", **values: Any) -> dict[str, Any]:
    return request_body(ask(messages=messages or (Message("user", "hi"),), model=model, **values), stream=False)


def turns(*messages: Message, **values: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(turn["role"], turn["content"]) for turn in body(*messages, **values)["messages"]]


async def test_headers_are_the_credentials_and_nothing_of_the_environment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {
        "ANTHROPIC_API_KEY": "env-key",
        "ANTHROPIC_AUTH_TOKEN": "env-token",
        "ANTHROPIC_PROFILE": "env-profile",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/env",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Env: leak\nHost: env.example\nAuthorization: Bearer env\nanthropic-version: 1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    client = LLMClient(provider_type("anthropic").connect(ProviderConfig(api_key=KEY, base_url=server.base_url)))
    for stream in (False, True):
        await call(client, ask(correlation_id="run-1"), stream=stream)
        headers = {name.lower(): value for name, value in server.last_headers.items()}
        assert headers.pop("authorization") == f"Bearer {KEY}"
        assert headers.pop("anthropic-version") == "2026-10-21"
        assert headers.pop("x-request-id") == "run-1"
        assert headers.pop("accept-encoding") == "identity"
        assert headers.pop("host") == urlsplit(server.base_url).netloc
        assert set(headers) <= {"accept", "content-type", "content-length", "user-agent"}
    await client.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_sampling_goes_by_the_version_that_takes_it(
    server: FakeServer, anthropic_client: LLMClient, stream: bool
):
    # The server refuses these fields by the version that all else goes by.
    await call(anthropic_client, ask(parameters={"temperature": 0, "top_k": 5}), stream=stream)
    assert server.last_headers["anthropic-version"] == "2023-06-01"
    assert (server.last_body["temperature"], server.last_body["top_k"]) == (0, 5)


@pytest.mark.parametrize("end", ["/v1", "/v1/", ""])
async def test_base_url_may_end_in_v1(server: FakeServer, end: str):
    url = server.base_url.removesuffix("/v1") + end
    client = LLMClient(provider_type("anthropic").connect(ProviderConfig(base_url=url)))
    for stream in (False, True):
        assert (await call(client, ask("hi"), stream=stream)).text == "hi"
    assert await client.list_models() == ["fake-large", "fake-small"]
    await client.aclose()


def test_system_messages_stand_apart_and_turns_alternate():
    messages = (
        Message("system", "Be brief."),
        Message("user", "One"),
        Message("user", "Two"),
        Message("system", "Be kind."),
        Message("assistant", ""),
        Message("user", "Three"),
    )
    assert body(*messages)["system"] == "Be brief.\n\nBe kind."
    assert turns(*messages) == [("user", [{"type": "text", "text": text} for text in ("One", "Two", "Three")])]
    assert "system" not in body()


def test_results_of_tools_are_one_turn_with_what_follows():
    calls = (ToolCall("a:1", "now", '{"zone": "UTC"}'), ToolCall("b", "now", "not JSON"))
    messages = (
        Message("user", "When?"),
        Message("assistant", "Let me see.", calls),
        Message("tool", "noon", tool_call_id="a:1"),
        Message("tool", "", tool_call_id="b"),
        Message("user", "Well?"),
    )
    asked, answered = turns(*messages)[1:]
    assert [block["type"] for block in asked[1]] == ["text", "tool_use", "tool_use"]
    assert asked[1][1] == {"type": "tool_use", "id": "a_1", "name": "now", "input": {"zone": "UTC"}}
    assert asked[1][2]["input"] == {"arguments": "not JSON"}
    assert answered == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "a_1", "content": "noon"},
            {"type": "tool_result", "tool_use_id": "b", "content": ""},
            {"type": "text", "text": "Well?"},
        ],
    )


def test_conversation_without_content_cannot_be_sent():
    with pytest.raises(WorkError, match="no message has any content") as caught:
        body(Message("system", "Be brief."), Message("user", ""))
    assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (ImagePart(PNG), {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}),
        (ImagePart("data:image/gif,hello"), {"type": "base64", "media_type": "image/gif", "data": "aGVsbG8="}),
        (ImagePart("https://host/a.png"), {"type": "url", "url": "https://host/a.png"}),
        (FilePart(PNG), {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}),
        (FilePart("https://host/a.pdf"), {"type": "url", "url": "https://host/a.pdf"}),
        (
            FilePart("data:application/pdf;base64,aGVsbG8="),
            {"type": "base64", "media_type": "application/pdf", "data": "aGVsbG8="},
        ),
        (
            FilePart("data:text/csv;charset=utf-8;base64,aGVsbG8="),
            {"type": "text", "media_type": "text/plain", "data": "hello"},
        ),
        (FilePart("data:,a%20b"), {"type": "text", "media_type": "text/plain", "data": "a b"}),
    ],
)
def test_images_and_files_become_blocks(part: Any, block: dict[str, str]):
    content = turns(Message("user", "Look", parts=("Look", part, "")))[0][1]
    assert content[0] == {"type": "text", "text": "Look"}
    assert [one["source"] for one in content[1:]] == [block]


def test_file_is_a_document_with_its_name():
    content = turns(Message("user", "", parts=(FilePart("https://host/a.pdf", "bill.pdf"),)))[0][1]
    assert (content[0]["type"], content[0]["title"]) == ("document", "bill.pdf")


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (ImagePart("data:image/tiff;base64,aGVsbG8="), "an image must be one of image/gif"),
        (ImagePart("data:image/png"), "holds no data"),
        (FilePart("data:application/zip;base64,aGVsbG8="), "a file must be a PDF"),
        (FilePart("data:text/plain;base64,/w=="), "must be in UTF-8"),
        (FilePart("data:text/plain;base64,a"), "must be in UTF-8"),
    ],
)
def test_kinds_of_files_that_the_api_does_not_take(part: Any, reason: str):
    with pytest.raises(WorkError, match=reason) as caught:
        body(Message("user", "", parts=(part,)))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert "aGVsbG8=" not in str(caught.value)


async def test_image_reaches_the_server(server: FakeServer, anthropic_client: LLMClient):
    message = Message("user", "What is it?", parts=("What is it?", ImagePart(PNG)))
    assert (await anthropic_client.complete(ask(messages=(message,)))).text == "What is it?"
    assert server.last_body["messages"][0]["content"][1]["source"]["data"] == "aGVsbG8="


@pytest.mark.parametrize(
    ("model", "parameters", "fields"),
    [
        ("claude-sonnet-5-5", {}, {"max_tokens": 16_384}),
        ("kimi-k3", {}, {"max_tokens": 8_192}),
        ("claude-haiku-4-5", {"max_tokens": 9, "max_completion_tokens": 7}, {"max_tokens": 7}),
        ("claude-opus-5", {"stop": "END", "user": "u1"}, {"stop_sequences": ["END"], "metadata": {"user_id": "u1"}}),
        ("claude-opus-5", {"stop": ["A", "B"]}, {"stop_sequences": ["A", "B"]}),
        ("claude-opus-5", {"service_tier": "default"}, {"service_tier": "standard_only"}),
        ("claude-opus-5", {"extra_body": {"speed": "fast"}}, {"speed": "fast"}),
        (
            "claude-opus-5-5",
            {"reasoning_effort": "minimal"},
            {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive", "display": "summarized"}},
        ),
        ("claude-opus-5", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"thinking": {"type": "between_tools"}}),
        (
            "claude-opus-4-5-20251101",
            {"reasoning_effort": "high"},
            {"output_config": {"effort": "high"}, "thinking": {"type": "enabled", "budget_tokens": 4_096}}
            | {"max_tokens": 20_480},
        ),
        (
            "claude-haiku-4-5",
            {"reasoning_effort": "low"},
            {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "max_tokens": 17_408},
        ),
        (
            "claude-opus-4-6",
            {"thinking": {"type": "adaptive"}, "reasoning_effort": "max"},
            {"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}},
        ),
        ("claude-haiku-4-5", {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
    ],
)
def test_parameters_are_translated(model: str, parameters: dict[str, Any], fields: dict[str, Any]):
    provider_type("anthropic").check_parameters(model, parameters)
    sent = body(model=model, parameters=parameters)
    assert sent == {"max_tokens": 16_384, "model": model, "messages": sent["messages"]} | fields


@pytest.mark.parametrize(
    ("parameters", "choice"),
    [
        ({}, None),
        ({"parallel_tool_calls": True}, None),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, {"type": "tool", "name": "now"}),
        ({"tool_choice": {"type": "tool", "name": "now"}}, {"type": "tool", "name": "now"}),
    ],
)
def test_choice_of_tools_is_translated(parameters: dict[str, Any], choice: dict[str, Any] | None):
    provider_type("anthropic").check_parameters("claude-haiku-5-5", parameters)
    assert body(model="claude-haiku-5-5", parameters=parameters, tools=(NOW,)).get("tool_choice") == choice
    assert "tool_choice" not in body(model="claude-haiku-5-5", parameters=parameters)


def test_tools_show_their_schema():
    described = {"name": "now", "description": "Tells the time.", "input_schema": NOW.parameters}
    assert body(tools=(NOW,))["tools"] == [described]


@pytest.mark.parametrize(
    ("model", "parameters", "reason"),
    [
        ("m", {"seed": 1}, "parameters.seed cannot be set: Anthropic has nothing like it; allowed: extra_body, max_"),
        ("m", {"logit_bias": {}}, "parameters.logit_bias cannot be set"),
        ("m", {"presence_penalty": 1}, "parameters.presence_penalty cannot be set"),
        ("m", {"base_url": "http://host"}, "parameters.base_url is not a setting; allowed: .*temperature"),
        ("m", {"messages": []}, "parameters.messages is not a setting"),
        ("m", {"temperature": 1.5}, "parameters.temperature must be a number from 0 to 1, not 1.5"),
        ("m", {"top_k": 0}, "parameters.top_k must be a whole number"),
        ("claude-opus-4-7", {"temperature": 1}, "parameters.temperature cannot be set: claude-opus-4-7 does not"),
        ("claude-sonnet-5-5", {"top_p": 1}, "parameters.top_p cannot be set"),
        (
            "claude-haiku-4-5",
            {"temperature": 1, "reasoning_effort": "low"},
            "for an answer that the model thinks about",
        ),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, "reasoning_effort cannot be set to disabled: .* adaptive"),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, "one of none, low, medium, high, max, minimal for claude"),
        ("claude-opus-5", {"reasoning_effort": "much"}, "parameters.reasoning_effort must be one of none, minimal"),
        (
            "claude-opus-5",
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            "thinking cannot be set to enabled",
        ),
        ("m", {"thinking": {"budget_tokens": 2000}}, "parameters.thinking needs a type"),
        ("m", {"thinking": {"type": "enabled"}}, "parameters.thinking needs a type"),
        ("m", {"thinking": {"type": "odd"}}, "parameters.thinking.type must be one of adaptive"),
        ("m", {"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens must be a whole number from 1024"),
        ("m", {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000}, "max_tokens must be more"),
        ("m", {"service_tier": "flex"}, "parameters.service_tier must be one of auto"),
        ("m", {"tool_choice": {"type": "function"}}, "parameters.tool_choice must be none, auto, required or"),
        ("claude-sonnet-5-5", {"tool_choice": "required"}, "tool_choice must be none or auto: claude-sonnet-5-5"),
        ("claude-fable-5-1", {"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice must be none or auto"),
        ("m", {"extra_body": {"system": "x"}}, "parameters.extra_body.system cannot be set"),
        ("m", {"extra_body": {"tools": []}}, "parameters.extra_body.tools cannot be set"),
        ("m", {"extra_body": {"max_tokens": 5}}, "parameters.extra_body.max_tokens cannot be set"),
    ],
)
def test_parameters_that_are_refused(model: str, parameters: dict[str, Any], reason: str):
    with pytest.raises(InvalidInput, match=reason):
        provider_type("anthropic").check_parameters(model, parameters)


def test_known_models_have_prices_and_sizes():
    models = provider_type("anthropic").known_models()
    assert "claude-opus-5-5" in models
    for name, known in models.items():
        assert known.input_price is not None, name
        assert known.output_price is not None, name
        assert known.cached_input_price is not None, name
        assert known.cached_input_price < known.input_price < known.output_price
        assert (known.context_window or 0) > (known.max_output_tokens or 0) > 0
        assert provider_type("anthropic").defaults(name) == known
    assert provider_type("anthropic").defaults("another").input_price is None


async def test_there_are_no_embeddings(anthropic_client: LLMClient):
    with pytest.raises(WorkError, match="Anthropic has no embeddings") as caught:
        await anthropic_client.embed(EmbeddingRequest("claude-opus-5-5", ("a",)))
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_models_are_read_page_by_page(server: FakeServer, anthropic_client: LLMClient):
    names = [f"claude-{number:02}" for number in range(25)]
    server.configure(models=names, models_page=10)
    assert await anthropic_client.list_models() == names


def test_sdk_is_loaded_only_by_a_stream_or_a_list():
    code = """
import asyncio, json, sys
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import CompletionRequest, Message
from workers.errors import WorkError

def loaded():
    return sorted({"anthropic", "openai", "httpx2", "aiohttp"} & set(sys.modules))

async def main():
    kind = provider_type("anthropic")
    kind.check_parameters("claude-opus-5-5", {"max_tokens": 5})
    kind.defaults("claude-opus-5-5")
    found = [loaded()]
    client = kind.connect(ProviderConfig(base_url="http://127.0.0.1:9"))
    for attempt in (client.complete(CompletionRequest("m", (Message("user", "hi"),))), client.list_models()):
        try:
            await attempt
        except WorkError:
            found.append(loaded())
    await client.aclose()
    print(json.dumps(found))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], ["aiohttp"], ["aiohttp", "anthropic", "httpx2"]]
