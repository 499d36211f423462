"""Answers, streams and errors as compatible servers write them."""

import time
from typing import Any

import orjson
import pytest

from agents.llm.errors import BilledError
from agents.llm.providers.openai.answers import parse_usage
from agents.llm.providers.openai.assembler import Assembler
from agents.llm.providers.openai.dialect import PLAIN, Dialect
from agents.llm.providers.openai.errors import error_of_response
from agents.llm.providers.openai.wire import parse_completion
from agents.llm.types import Completion, Message, ToolCall, Usage
from workers.errors import ErrorCode, WorkError

from .calls import ask
from .test_dialects import dialect_of

CALL = {"name": "now", "arguments": "{}"}


def whole(message: dict[str, Any], dialect: Dialect = PLAIN, **values: Any) -> Completion:
    choice = {"message": message, "finish_reason": values.pop("finish_reason", "stop")}
    return parse_completion({"choices": [choice], **values}, {}, values.pop("request", ask()), "", dialect)


def streamed(*deltas: dict[str, Any], dialect: Dialect = PLAIN, max_bytes: int = 10_000) -> Completion:
    assembler = Assembler(ask(), "", max_bytes, dialect)
    for delta in deltas:
        assembler.add({"choices": [{"delta": delta}]})
    assembler.add({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    return assembler.finish({})


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "hmm", "content": "hi"},
        {"reasoning": "hmm", "content": "hi"},
        {"thinking": "hmm", "content": "hi"},
        {
            "content": [
                {"type": "thinking", "thinking": [{"text": "h"}, {"text": "mm"}]},
                {"type": "text", "text": "hi"},
            ]
        },
        {"content": [{"type": "thinking", "thinking": "hmm"}, {"type": "text", "text": "hi"}]},
    ],
)
def test_thoughts_are_read_from_wherever_they_stand(message: dict[str, Any]):
    for completion in (whole(message), streamed(message)):
        assert (completion.reasoning, completion.text) == ("hmm", "hi")


@pytest.mark.parametrize("thought", [{"a": 1}, ["x"], 3, True])
def test_thoughts_of_an_odd_kind_are_none(thought: Any):
    assert whole({"reasoning": thought, "content": "hi"}).reasoning == ""


def test_missing_and_repeated_ids_become_ids_of_their_own():
    items = [{"id": "same", "function": CALL}, {"id": "same", "function": CALL}, {"function": CALL}]
    before = Message("assistant", "", (ToolCall("call00000", "now", "{}"),))
    completion = whole({"tool_calls": items}, request=ask(messages=(Message("user", "x"), before)))
    assert [call.id for call in completion.tool_calls] == ["call00001", "call00002", "call00003"]


def test_the_older_function_call_is_a_tool_call():
    completion = whole({"content": None, "function_call": {"name": "now", "arguments": {"zone": "UTC"}}})
    assert completion.tool_calls == (ToolCall("call00000", "now", '{"zone":"UTC"}'),)
    assert completion.finish_reason == "tool_calls"


@pytest.mark.parametrize(("reason", "told"), [("stop", "tool_calls"), (None, "tool_calls"), ("length", "length")])
def test_an_answer_with_tool_calls_says_so(reason: str | None, told: str):
    items = [{"id": "1", "function": CALL}]
    assert whole({"tool_calls": items}, finish_reason=reason).finish_reason == told


@pytest.mark.parametrize(
    "deltas",
    [
        [
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
            {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "f", "arguments": '{"x":2}'}}]},
        ],
        # Every call is the first.
        [
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}]},
            {"tool_calls": [{"index": 0, "id": "b", "function": {"name": "f", "arguments": '{"x":2}'}}]},
        ],
        # No index, in pieces.
        [
            {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": ""}}]},
            {"tool_calls": [{"function": {"arguments": '{"x":1}'}}]},
            {"tool_calls": [{"id": "b", "function": {"name": "f", "arguments": '{"x":2}'}}]},
        ],
        # No index, whole, both in one event, arguments as objects.
        [
            {
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                    {"id": "b", "function": {"name": "f", "arguments": {"x": 2}}},
                ]
            }
        ],
        # The id is repeated in every piece.
        [
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}]},
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}]},
            {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "f", "arguments": '{"x":2}'}}]},
        ],
    ],
    ids=["openai", "index 0", "no index", "whole", "id repeated"],
)
def test_streamed_tool_calls_are_told_apart(deltas: list[dict[str, Any]]):
    assert streamed(*deltas).tool_calls == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", '{"x":2}'))


DETAILS = Dialect(provider="p", replayed=("reasoning_details",), replayed_of_calls=("extra_content",))


def test_what_is_to_be_sent_back_is_put_together_from_a_stream():
    def details(**values: Any) -> dict[str, Any]:
        return {"reasoning_details": [{"type": "reasoning.text", "index": 0, **values}]}

    completion = streamed(
        details(text="Let me "),
        details(text="think.", signature=None),
        details(signature="signed"),
        {"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "abc"}, "odd"]},
        {"tool_calls": [{"index": 0, "id": "1", "function": CALL, "extra_content": {"s": 1}}]},
        dialect=DETAILS,
    )
    assert completion.replay == {
        "p": {
            "message": {
                "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": "Let me think.", "signature": "signed"},
                    {"type": "reasoning.encrypted", "index": 1, "data": "abc"},
                ]
            },
            "calls": [{"extra_content": {"s": 1}}],
        }
    }


def test_nothing_is_kept_to_be_sent_back_where_no_dialect_asks_for_it():
    message = {
        "content": "hi",
        "reasoning_details": [1],
        "tool_calls": [{"id": "1", "function": CALL, "extra_content": 1}],
    }
    assert whole(message).replay is None
    assert whole(message, DETAILS).replay == {
        "p": {"message": {"reasoning_details": [1]}, "calls": [{"extra_content": 1}]}
    }


def test_what_could_not_be_stored_is_not_sent_back():
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    assert whole({"content": "hi", "reasoning_details": deep}, DETAILS).replay is None
    assert whole({"content": "hi", "reasoning_details": "nul \0"}, DETAILS).replay is None


def test_endless_places_of_tool_calls_are_read_in_time():
    many = [{"tool_calls": [{"index": index, "function": {"name": "f"}}]} for index in range(30_000)]
    started = time.process_time()
    assert len(streamed(*many, max_bytes=10_000_000).tool_calls) == 30_000
    assert time.process_time() - started < 3


@pytest.mark.parametrize("field", ["reasoning", "reasoning_details"])
def test_endless_thoughts_reach_the_bound(field: str):
    piece = {field: "x" * 100 if field == "reasoning" else [{"text": "x" * 100}]}
    with pytest.raises(WorkError, match="too large"):
        streamed(*[piece] * 20, dialect=DETAILS, max_bytes=1000)


@pytest.mark.parametrize("field", ["id", "extra_content"])
def test_all_that_is_kept_of_tool_calls_reaches_the_bound(field: str):
    pieces = [{"tool_calls": [{"index": place, "function": CALL, field: "x" * 100}]} for place in range(20)]
    assert len(streamed(*pieces[:3], dialect=DETAILS, max_bytes=1000).tool_calls) == 3
    with pytest.raises(WorkError, match="too large"):
        streamed(*pieces, dialect=DETAILS, max_bytes=1000)


def test_endless_fields_of_one_thought_are_read_in_time():
    many = [{"reasoning_details": [{"index": 0, f"field{number}": 1}]} for number in range(60_000)]
    started = time.process_time()
    replay = streamed(*many, dialect=DETAILS, max_bytes=10_000_000).replay
    assert replay is not None
    assert len(replay["p"]["message"]["reasoning_details"][0]) == 60_001
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 5}, Usage(9, 5)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 4}, Usage(9, 5, 4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(9, 5, 3, 2),
        ),
        # More than there is in all.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 10**9},
                "completion_tokens_details": {"reasoning_tokens": -1},
            },
            Usage(9, 5, 9, 0),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": "odd"}, Usage(9, 5)),
    ],
)
def test_details_of_usage_are_read_and_bounded(told: dict[str, Any], usage: Usage):
    assert parse_usage(told) == usage


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]},
            "invalid_request",
            "body.seed: Extra inputs",
        ),
        (401, {"detail": "Unauthorized"}, "invalid_key", "Unauthorized"),
        (400, {"object": "error", "message": {"detail": [{"msg": "odd"}]}}, "invalid_request", "odd"),
        (400, {"error": "greater than the context length"}, "context_length", "greater than the context length"),
        (400, [{"error": {"message": "bad", "details": [{"reason": "API_KEY_INVALID"}]}}], "invalid_key", "bad"),
        (400, [{"error": {"message": "bad", "details": ["odd", {"reason": 3}]}}], "invalid_request", "bad"),
        (400, [{"error": {"message": "The input exceeds the maximum number of tokens"}}], "context_length", "exceeds"),
        (403, {"error": {"message": "your input was flagged"}}, "content_policy", "flagged"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "none"}}, "not_found", "none"),
        (400, [], "invalid_request", "HTTP 400"),
        (400, [[1]], "invalid_request", "HTTP 400"),
        (400, {"error": {"message": ["a", 3]}}, "invalid_request", "a; 3"),
    ],
)
def test_errors_of_every_form_are_read(status: int, body: Any, code: str, message: str):
    error = error_of_response(status, {}, orjson.dumps(body), "")
    assert error.code == code
    assert message in error.message


def test_the_wait_that_gemini_tells_in_the_body_is_kept():
    body = orjson.dumps([{"error": {"code": 429, "message": "slow down", "details": [{"retryDelay": "37s"}]}}])
    error = error_of_response(429, {}, body, "")
    assert (error.code, error.retry_after) == (ErrorCode.RATE_LIMITED, 37.0)
    assert error_of_response(429, {"retry-after": "5"}, body, "").retry_after == 5.0
    endless = orjson.dumps([{"error": {"details": [{"retryDelay": "99999999s"}]}}])
    assert error_of_response(429, {}, endless, "").retry_after == 86_400


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("error", "server_error"),
        ("abort", "server_error"),
        ("insufficient_system_resource", "overloaded"),
        ("content_filter", "content_policy"),
        ("SAFETY", "content_policy"),
        ("content_filter: RECITATION", "content_policy"),
        ("MALFORMED_FUNCTION_CALL", "bad_response"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "bad_response"),
    ],
)
def test_an_answer_that_broke_off_is_an_error_that_is_paid_for(reason: str, code: str):
    usage = {"prompt_tokens": 5, "completion_tokens": 7}
    with pytest.raises(BilledError) as caught:
        whole({"content": '{"a": '}, finish_reason=reason, usage=usage)
    assert (caught.value.code, caught.value.usage) == (code, Usage(5, 7))
    assembler = Assembler(ask(), "", 10_000)
    assembler.add({"choices": [{"delta": {"content": "Hel"}, "finish_reason": reason}], "usage": usage})
    with pytest.raises(BilledError) as streamed_error:
        assembler.finish({})
    assert streamed_error.value.code == code


@pytest.mark.parametrize("reason", ["length", "model_length", "MAX_TOKENS"])
def test_every_word_for_an_answer_cut_at_its_limit_is_read(reason: str):
    assert whole({"content": "Hel"}, finish_reason=reason).finish_reason == "length"


def test_gemini_s_and_unknown_words_for_a_good_end_are_no_error():
    assert whole({"content": "Hi"}, finish_reason="STOP").finish_reason == "stop"
    assert whole({"content": "Hi"}, finish_reason="eos").finish_reason == "eos"


def test_an_error_within_a_choice_is_raised():
    error = {"code": 502, "message": "Provider disconnected"}
    choice = {"message": {"content": ""}, "finish_reason": "error", "error": error}
    with pytest.raises(WorkError, match="Provider disconnected") as caught:
        parse_completion({"choices": [choice]}, {}, ask(), "")
    assert caught.value.code is ErrorCode.SERVER_ERROR
    with pytest.raises(WorkError, match="Provider disconnected"):
        Assembler(ask(), "", 10_000).add({"choices": [{"delta": {}, "error": error}]})


@pytest.mark.parametrize(
    ("told", "dialect", "usage"),
    [
        # Gemini tells its thoughts in the total alone.
        ({"total_tokens": 623}, Dialect(thoughts_beside_output=True), Usage(20, 603, 0, 405)),
        ({"total_tokens": 623}, PLAIN, Usage(20, 198)),
        # xAI tells them, too.
        (
            {"total_tokens": 623, "completion_tokens_details": {"reasoning_tokens": 405}},
            PLAIN,
            Usage(20, 603, 0, 405),
        ),
        ({"total_tokens": 218, "completion_tokens_details": {"reasoning_tokens": 90}}, PLAIN, Usage(20, 198, 0, 90)),
        ({"total_tokens": 1}, Dialect(thoughts_beside_output=True), Usage(20, 198)),
        ({"total_tokens": "623"}, Dialect(thoughts_beside_output=True), Usage(20, 198)),
    ],
)
def test_thoughts_that_are_counted_in_the_total_alone_are_output(told: dict[str, Any], dialect: Dialect, usage: Usage):
    counts = {"prompt_tokens": 20, "completion_tokens": 198, **told}
    assert parse_usage(counts, dialect) == usage
    assert whole({"content": "hi"}, dialect, usage=counts).usage == usage


def test_gemini_counts_its_thoughts_beside_its_output():
    counts = {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}
    assert whole({"content": "hi"}, dialect_of("gemini"), usage=counts).usage == Usage(20, 603, 0, 405)


def test_a_tool_call_with_an_empty_name_is_none():
    with pytest.raises(WorkError, match="without a name"):
        whole({"tool_calls": [{"function": {"name": "", "arguments": "{}"}}]})
