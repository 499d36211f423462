"""A run as a response, such as OpenAI's client reads it."""

from decimal import Decimal

import pytest
from openai.types.responses import Response
from pydantic import TypeAdapter

from batches.news import FinishedRun
from batches.openai_api.responses.body import response_body
from batches.openai_api.responses.ids import item_id, item_name, response_id, run_id_of
from batches.openai_api.responses.output import answer_message
from batches.states import RunState

READER = TypeAdapter(Response)
CALL = {"id": "c1", "name": "weather", "arguments": '{"place": "Rome"}'}


def finished(state=RunState.SUCCEEDED, output="Hello", **values):
    return FinishedRun(state, output=output, cost=Decimal("0.1"), **values)


def body(found=None, **request):
    state = RunState.RUNNING if found is None else found.state
    told = response_body(7, {"model": "m/n", "input": "Hi", **request}, 1.5, state, found, 3.2)
    # Strict: the client itself lets through what does not fit.
    READER.validate_python(told)
    return told


def test_a_whole_answer_is_completed():
    told = body(finished(input_tokens=10, output_tokens=4, cached_tokens=8, reasoning_tokens=2))
    assert (told["id"], told["status"], told["created_at"], told["completed_at"]) == ("resp_7", "completed", 1, 3)
    text = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    message = {"id": "msg_7", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    assert told["output"] == [message]
    assert told["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }
    assert (told["error"], told["incomplete_details"]) == (None, None)


@pytest.mark.parametrize(
    ("ended", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
def test_an_answer_that_was_cut_is_incomplete(ended, reason):
    told = body(finished(completion={"finish_reason": ended}))
    assert told["status"] == told["output"][0]["status"] == ("incomplete" if reason else "completed")
    assert told["incomplete_details"] == ({"reason": reason} if reason else None)


def test_thoughts_and_calls_are_items_and_a_text_only_where_something_was_said():
    completion = {"finish_reason": "tool_calls", "tool_calls": [CALL, CALL], "reasoning": "Hm."}
    told = body(finished(output="", completion=completion))
    assert [item["id"] for item in told["output"]] == ["rs_7", "fc_7_0", "fc_7_1"]
    assert told["output"][1]["call_id"] == "c1"
    said = finished(output="Wait", completion=completion)
    assert [item["type"] for item in body(said)["output"]] == ["reasoning", "message", *["function_call"] * 2]
    assert [item["type"] for item in body(said, stream=True)["output"]][:2] == ["message", "reasoning"]


@pytest.mark.parametrize(
    ("state", "status"),
    [(RunState.FAILED, "failed"), (RunState.EXPIRED, "failed"), (RunState.CANCELLED, "cancelled")],
)
def test_a_run_without_an_answer_has_no_output(state, status):
    told = body(finished(state, None, error_code="context_length", error_message="Too long."))
    assert (told["status"], told["output"], told["usage"], told["completed_at"]) == (status, [], None, None)
    expected = None if status == "cancelled" else {"code": "invalid_prompt", "message": "Too long."}
    assert told["error"] == expected


@pytest.mark.parametrize(
    ("code", "kind"), [("rate_limited", "rate_limit_exceeded"), ("timeout", "server_error"), (None, "server_error")]
)
def test_errors_have_codes_that_the_client_knows(code, kind):
    assert body(finished(RunState.FAILED, None, error_code=code, error_message="x"))["error"]["code"] == kind


def test_what_runs_is_queued_or_in_progress():
    told = body(tools=[{"type": "function", "name": "f", "parameters": {}, "strict": None}], temperature=0.5)
    assert (told["status"], told["output"], told["usage"]) == ("in_progress", [], None)
    assert (told["temperature"], told["tools"][0]["name"], told["text"]) == (0.5, "f", {"format": {"type": "text"}})
    assert response_body(7, {}, 0, RunState.QUEUED)["status"] == "queued"


def test_an_answer_is_a_message_of_the_next_chat():
    assert answer_message(finished()) == {"role": "assistant", "content": "Hello"}
    message = answer_message(finished(output="", completion={"finish_reason": "tool_calls", "tool_calls": [CALL]}))
    function = {"name": "weather", "arguments": '{"place": "Rome"}'}
    call = {"id": "c1", "type": "function", "function": function}
    assert message == {"role": "assistant", "content": None, "tool_calls": [call]}


def test_names_say_their_run():
    assert run_id_of(response_id(2**52 + 1)) == 2**52 + 1
    for kind, place in (("msg", None), ("fc", 2), ("rs", None), ("in", 0)):
        found = item_name(item_id(kind, 2**52, place))
        assert (found.kind, found.run_id, found.place) == (kind, 2**52, place or 0)
    assert [item_name(name) for name in ("msg_", "xx_1", "msg_1_2_3", None, "msg_1\n")] == [None] * 5
