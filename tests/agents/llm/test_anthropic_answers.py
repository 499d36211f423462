"""How Anthropic's answers are read, whole and streamed, honest and not."""

import json
import tracemalloc
from decimal import Decimal
from typing import Any

import orjson
import pytest

from agents.llm.client import LLMClient
from agents.llm.errors import BilledError
from agents.llm.providers.anthropic.assembler import Assembler
from agents.llm.providers.anthropic.messages import build_turns
from agents.llm.providers.anthropic.provider import AnthropicProvider
from agents.llm.providers.anthropic.wire import parse_completion
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import MOST_TOKENS, Completion, Message, Price, ToolSpec, Usage
from tests.support.provider_server import FAULTS, FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask, call, read_stream
from .conftest import KEY
from .raw_server import http, raw_server

NOW = ToolSpec("now", "Tells the time.", {"type": "object", "properties": {}})
TEXT = {"type": "text", "text": "hi"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {"zone": "UTC"}}


def parsed(*content: Any, **values: Any) -> Completion:
    message = {"content": list(content), "stop_reason": "end_turn", **values}
    return parse_completion(message, {}, ask("hello"), "")


def streamed(*events: dict[str, Any], most: int = 1000) -> Completion:
    assembler = Assembler(ask("hello"), KEY, most)
    for event in events:
        assembler.add(event)
    return assembler.finish({})


def begin(index: Any, block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: Any, kind: str, **values: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **values}}


def end(reason: str = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        (None, "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("new\nreason", "new reason"),
    ],
)
def test_reasons_to_stop(told: str | None, reason: str):
    assert parsed(TEXT, stop_reason=told).finish_reason == reason


def test_usage_counts_the_cache_as_input():
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 70,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    found = parsed(TEXT, usage=usage).usage
    assert found == Usage(100, 9, cached_tokens=70, reasoning_tokens=4)
    price = Price(Decimal(10), Decimal(50), Decimal(1))
    assert price.cost(found) == Decimal("0.00082")


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (None, Usage(6, 1)),
        ("none", Usage(6, 1)),
        ({"input_tokens": True, "output_tokens": 5}, Usage(6, 1)),
        ({"input_tokens": -1, "output_tokens": 5}, Usage(6, 1)),
        ({"input_tokens": 5}, Usage(6, 1)),
        ({"input_tokens": 5, "output_tokens": 6, "cache_read_input_tokens": "x"}, Usage(5, 6)),
        ({"input_tokens": 10**12, "output_tokens": 10**12}, Usage(MOST_TOKENS, MOST_TOKENS)),
        (
            {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 10**9}},
            Usage(1, 2, 0, 2),
        ),
    ],
)
def test_usage_that_cannot_be_is_estimated_or_bounded(usage: Any, found: Usage):
    assert parsed(TEXT, usage=usage).usage == found


def test_refusal_is_billed_and_says_why():
    details = {"type": "refusal", "category": "cyber", "explanation": f"No {KEY}\nmalware."}
    usage = {"input_tokens": 3, "output_tokens": 4}
    with pytest.raises(BilledError) as caught:
        parse_completion(
            {"content": [TEXT], "stop_reason": "refusal", "stop_details": details, "usage": usage}, {}, ask(), KEY
        )
    assert caught.value.code is ErrorCode.CONTENT_POLICY
    assert caught.value.message == "the model refused to answer: cyber: No [key] malware."
    assert caught.value.usage == Usage(3, 4)


@pytest.mark.parametrize("stream", [False, True])
async def test_refusal_over_the_wire(server: FakeServer, anthropic_client: LLMClient, stream: bool):
    server.configure(faults={"content_filter": 1.0})
    with pytest.raises(BilledError) as caught:
        await call(anthropic_client, ask("hello"), stream=stream)
    assert caught.value.usage.input_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_come_back_with_the_results_of_tools(
    server: FakeServer, anthropic_client: LLMClient, stream: bool
):
    # The server refuses calls without the signed thoughts at the beginning of the turn.
    server.configure(
        reasoning="Let me look at the clock.", tool_calls=[[{"name": "now", "arguments": {"zone": "UTC"}}]]
    )
    first = await call(anthropic_client, ask("When?", tools=(NOW,)), stream=stream)
    assert first.reasoning == "Let me look at the clock."
    assert first.text == ""
    replay = json.loads(json.dumps(first.replay))  # as it is stored
    asked = Message("assistant", "", first.tool_calls, replay=replay)
    history = (Message("user", "When?"), asked, Message("tool", "noon", tool_call_id=first.tool_calls[0].id))
    last = await call(anthropic_client, ask(messages=history, tools=(NOW,)), stream=stream)
    assert (last.text, last.finish_reason) == ("When?", "stop")


@pytest.mark.parametrize(
    "replay",
    [
        None,
        {"openrouter": [THOUGHT, USE]},
        {"anthropic": [THOUGHT, USE], "anthropic_model": "another"},
        {"anthropic": [THOUGHT, {**USE, "id": "toolu_2"}], "anthropic_model": "fake-small"},
        {"anthropic": "nonsense", "anthropic_model": "fake-small"},
        {"anthropic": ["nonsense"], "anthropic_model": "fake-small"},
    ],
)
async def test_thoughts_of_others_are_left_out(
    server: FakeServer, anthropic_client: LLMClient, replay: dict[str, Any] | None
):
    calls = parsed(USE).tool_calls
    history = (
        Message("user", "When?"),
        Message("assistant", "", calls, replay=replay),
        Message("tool", "noon", tool_call_id="toolu_1"),
    )
    await anthropic_client.complete(ask(messages=history, tools=(NOW,)))
    assert server.last_body["messages"][1]["content"] == [USE]


@pytest.mark.parametrize(
    ("content", "text", "sent"),
    [
        ([THOUGHT, TEXT], "hi", [THOUGHT, TEXT]),
        ([THOUGHT, {"type": "text", "text": ""}, TEXT], "hi", [THOUGHT, TEXT]),
        ([THOUGHT, TEXT], "shortened", [{"type": "text", "text": "shortened"}]),
        ([THOUGHT], "(no answer)", [{"type": "text", "text": "(no answer)"}]),
        ([THOUGHT], "", None),
    ],
)
def test_answer_is_sent_back_as_it_came_unless_it_was_changed(
    content: list[dict[str, Any]], text: str, sent: list[dict[str, Any]] | None
):
    replay = parsed(*content).replay
    history = (Message("user", "hello"), Message("assistant", text, replay=replay), Message("user", "again"))
    turns = build_turns(history, "fake-small")
    assert [turn["content"] for turn in turns if turn["role"] == "assistant"] == ([sent] if sent else [])


def test_replay_is_the_message_as_it_came():
    completion = parsed(THOUGHT, TEXT, {"type": "redacted_thinking", "data": "x"}, USE)
    assert completion.replay is not None
    assert completion.replay["anthropic"] == [THOUGHT, TEXT, {"type": "redacted_thinking", "data": "x"}, USE]
    assert parsed(TEXT, USE).replay is None
    # Arguments that were cut cannot be sent back as they came.
    assert parsed(THOUGHT, {**USE, "input": '{"zo'}).replay is None


def test_stream_is_put_together_in_the_order_of_its_blocks():
    completion = streamed(
        {"type": "message_start", "message": {"id": "msg", "model": "m", "usage": {"input_tokens": 8}}},
        {"type": "ping"},
        begin(1, {"type": "text", "text": "On"}),
        begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, "thinking_delta", thinking="Hm"),
        delta(0, "thinking_delta", thinking="."),
        delta(0, "signature_delta", signature="sig-1"),
        delta(1, "text_delta", text="e"),
        delta(1, "citations_delta", citation={}),
        begin(2, {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}),
        delta(2, "input_json_delta", partial_json='{"zone":'),
        delta(2, "input_json_delta", partial_json=' "UTC"}'),
        {"type": "content_block_stop", "index": 2},
        {"type": "of the future", "value": 1},
        end("tool_use", output_tokens=5, input_tokens=None),
        {"type": "message_stop"},
    )
    assert (completion.text, completion.reasoning, completion.usage) == ("One", "Hm.", Usage(8, 5))
    assert completion.tool_calls == parsed(USE).tool_calls
    assert completion.replay == {"anthropic": [THOUGHT, {**TEXT, "text": "One"}, USE], "anthropic_model": "fake-small"}
    assert (completion.model, completion.request_id) == ("m", "msg")


def test_arguments_that_are_no_object_are_kept_as_written():
    events = [begin(0, {**USE, "input": {}}), delta(0, "input_json_delta", partial_json='{"zo'), end("max_tokens")]
    completion = streamed(*events)
    assert completion.tool_calls[0].arguments == '{"zo'
    assert completion.finish_reason == "length"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "the stream ended before the answer did"),
        ([begin(0, TEXT), {"type": "message_stop"}], "the stream ended before the answer did"),
        ([begin("x", TEXT)], "begins without its place"),
        ([begin(0, "x")], "begins without its place"),
        ([delta(0, "text_delta", text="x")], "belongs to no block"),
        ([delta([1], "text_delta", text="x")], "belongs to no block"),
        ([begin(0, {"type": "tool_use"}), end()], "a tool call without a name"),
        ([begin(0, TEXT), *[delta(0, "text_delta", text="x" * 300)] * 4], "too large"),
        ([begin(0, TEXT), *[delta(0, "text_delta")] * 100], "too large"),
        ([begin(place, {"type": "text"}) for place in range(100)], "too large"),
        ([begin(0, {"type": "text", "text": "x" * 2000})], "too large"),
    ],
)
def test_streams_that_are_none(events: list[dict[str, Any]], reason: str):
    with pytest.raises(WorkError, match=reason) as caught:
        streamed(*events)
    assert caught.value.code is ErrorCode.BAD_RESPONSE


def test_counts_without_end_are_not_kept():
    assembler = Assembler(ask(), KEY, 1000)
    tracemalloc.start()
    for number in range(50):
        assembler.add({"type": "message_delta", "usage": {f"{number}": "x" * 100_000 + f"{number}"}})
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded_error", ErrorCode.OVERLOADED),
        ("api_error", ErrorCode.SERVER_ERROR),
        ("invalid_request_error", ErrorCode.INVALID_REQUEST),
        (7, ErrorCode.SERVER_ERROR),
    ],
)
def test_error_within_a_stream(kind: Any, code: ErrorCode):
    with pytest.raises(WorkError) as caught:
        streamed({"type": "error", "error": {"type": kind, "message": f"Overloaded {KEY}"}})
    assert (caught.value.code, caught.value.message) == (code, "Overloaded [key]")


async def test_error_event_ends_the_call():
    events = (
        b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
    )
    async with raw_server() as raw:
        raw.answers = [http(events, "Content-Type: text/event-stream")]
        client = LLMClient(provider_type("anthropic").connect(ProviderConfig(base_url=raw.base_url)))
        with pytest.raises(WorkError) as caught:
            await read_stream(client, ask())
        await client.aclose()
    assert (caught.value.code, caught.value.message) == (ErrorCode.OVERLOADED, "Overloaded")


async def test_whole_answer_to_a_stream_is_taken():
    answer = orjson.dumps({"content": [TEXT], "stop_reason": "end_turn"})
    async with raw_server() as raw:
        raw.answers = [http(answer, "Content-Type: application/json")]
        client = LLMClient(provider_type("anthropic").connect(ProviderConfig(base_url=raw.base_url)))
        texts, completion = await read_stream(client, ask())
        await client.aclose()
    assert (texts, completion.text) == (["hi"], "hi")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, "the answer holds no content"),
        ({"content": "hi"}, "the answer holds no content"),
        ({"content": [{"type": "tool_use", "name": 5}]}, "a tool call without a name"),
        ({"error": "down"}, "down"),
    ],
)
def test_answers_that_are_none(message: dict[str, Any], reason: str):
    with pytest.raises(WorkError, match=reason):
        parse_completion(message, {}, ask(), "")


def test_answer_nested_without_measure():
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    for attempt in (lambda: parsed({**USE, "input": deep}), lambda: streamed(begin(0, {**USE, "input": deep}))):
        with pytest.raises(WorkError, match="nested too deep") as caught:
            attempt()
        assert caught.value.code is ErrorCode.BAD_RESPONSE


def test_odd_blocks_do_no_harm():
    completion = parsed(TEXT, 5, {"type": "text", "text": 5}, {"type": "odd"}, {"type": "thinking"}, stop_reason=[1])
    assert (completion.text, completion.reasoning, completion.finish_reason) == ("hi", "", "[1]")


@pytest.mark.parametrize("fault", sorted(FAULTS - {"endless_calls"}))  # which only streams have
async def test_key_is_in_no_message(server: FakeServer, fault: str):
    server.configure(faults={fault: 1.0}, huge_bytes=1_000_000)
    client = AnthropicProvider(ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=1000))
    for stream in (False, True):
        with pytest.raises(WorkError) as caught:
            await call(LLMClient(client, idle_timeout=0.2), ask(timeout=0.3), stream=stream)
        assert KEY not in f"{caught.value!r} {caught.value.message}"
    await client.aclose()


async def test_closed_client_says_so(server: FakeServer):
    client = AnthropicProvider(ProviderConfig(base_url=server.base_url))
    await client.aclose()
    for attempt in (client.complete(ask()), client.list_models(), anext(client.stream(ask()))):
        with pytest.raises(WorkError, match="the client is closed"):
            await attempt


def test_thoughts_count_where_usage_is_estimated():
    thought = {**THOUGHT, "thinking": "x" * 400}
    assert parsed(thought, TEXT).usage.output_tokens == parsed(TEXT).usage.output_tokens + 100
