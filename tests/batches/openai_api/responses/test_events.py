"""The events of a streamed response, put together by OpenAI's own client."""

from functools import partial

import orjson
import pytest
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from batches.execution.live import BETWEEN_STEPS
from batches.news import FinishedRun, NewsKind, RunNews
from batches.openai_api.responses.body import response_body
from batches.openai_api.responses.events import ResponseEvents
from batches.openai_api.streaming import KEEP_ALIVE
from batches.states import RunState

READER = TypeAdapter(ResponseStreamEvent)
CALLS = [{"id": f"c{number}", "name": "f", "arguments": '{"a": 1}'} for number in range(2)]
USED_TOOL = RunNews(NewsKind.TOOL_CALL, 1, {"step": 1})


def text(at, words):
    return RunNews(NewsKind.TEXT, 1, {"at": at, "text": words})


def end(output="", **completion):
    return FinishedRun(RunState.SUCCEEDED, output=output, completion=completion or None)


def told(*news, after=-1, is_background=False):
    """Return the teller and the events of a stream, each checked against the client's types."""
    body = partial(response_body, 7, {"model": "m", "stream": True}, 1.0)
    events = ResponseEvents(7, body, after=after, is_background=is_background)
    pieces = events.opening() + [piece for one in news for piece in events.of(one)]
    found = []
    for piece in pieces:
        kind, data = piece.decode().removesuffix("\n\n").split("\n")
        parsed = READER.validate_python(orjson.loads(data.removeprefix("data: ")))
        assert kind == f"event: {parsed.type}"
        found.append(parsed)
    return events, found


def response_of(found):
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in found:
        state.handle_event(event)
    return state._completed_response


def kinds(found):
    return [event.type.removeprefix("response.") for event in found]


def deltas(found):
    return "".join(event.delta for event in found if event.type == "response.output_text.delta")


def test_pieces_of_text_are_deltas_of_one_message():
    events, found = told(text(0, "Hel"), text(3, "lo"), end("Hello"))
    assert kinds(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in found] == list(range(10))
    assert response_of(found).output_text == deltas(found) == found[6].text == "Hello"
    assert (events.has_ended, events.has_broken_off) == (True, False)


@pytest.mark.parametrize("pieces", [[], [(0, "Hel")], [(0, "Hel"), (1, "ello")], [(0, "Hel"), (0, "Hel"), (4, "o")]])
def test_what_was_lost_on_the_way_comes_with_the_end_and_nothing_comes_twice(pieces):
    _, found = told(*(text(*piece) for piece in pieces), end("Hello"))
    assert response_of(found).output_text == deltas(found) == "Hello"


def test_what_an_agent_says_before_it_uses_its_tools_is_told_and_is_no_part_of_the_answer():
    _, found = told(text(0, "I look."), USED_TOOL, text(7, BETWEEN_STEPS + "Su"), end("Sunny"))
    assert deltas(found) == f"I look.{BETWEEN_STEPS}Sunny"
    assert response_of(found).output_text == "Sunny"
    _, found = told(text(0, "I look."), USED_TOOL, end("Sunny"))
    assert deltas(found) == f"I look.{BETWEEN_STEPS}Sunny"


def test_an_answer_that_was_put_right_at_the_end_is_told_whole_when_it_is_done():
    _, found = told(text(0, "Sure: {}"), end("{}"))
    assert response_of(found).output_text == "{}"


def test_calls_and_thoughts_are_items_behind_the_text():
    _, found = told(text(0, "Wait"), end("Wait", tool_calls=CALLS, reasoning="Hm."))
    response = response_of(found)
    assert [item.type for item in response.output] == ["message", "reasoning", "function_call", "function_call"]
    places = {event.item.id: event.output_index for event in found if event.type == "response.output_item.done"}
    assert places == {item.id: place for place, item in enumerate(response.output)}
    arguments = [event for event in found if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in arguments] == ['{"a": 1}'] * 2


def test_calls_alone_make_no_message():
    _, found = told(end(tool_calls=CALLS))
    assert [item.type for item in response_of(found).output] == ["function_call", "function_call"]
    assert "output_text.done" not in kinds(found)


def test_an_empty_answer_is_an_empty_message():
    assert response_of(told(end(""))[1]).output_text == ""


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (end("Hel", finish_reason="length"), "incomplete"),
        (FinishedRun(RunState.FAILED, error_code="timeout", error_message="Late."), "failed"),
        (FinishedRun(RunState.CANCELLED, error_code="cancelled"), "failed"),
    ],
)
def test_other_ends_have_their_own_event(ended, kind):
    _, found = told(text(0, "Hel"), ended)
    assert kinds(found)[-1] == kind
    assert found[-1].response.status == ("cancelled" if ended.state == RunState.CANCELLED else kind)


def test_an_attempt_that_failed_after_it_was_heard_ends_the_stream():
    retry = RunNews(NewsKind.RETRY, 1, {"code": "connection", "message": "It broke.", "delay": 1.0})
    assert kinds(told(retry, end("Hello"))[1])[-1] == "completed"
    events, found = told(text(0, "Hel"), retry)
    assert (kinds(found)[-1], events.has_ended, events.has_broken_off) == ("failed", True, True)
    assert "It broke." in found[-1].response.error.message


def test_in_the_background_the_stream_breaks_off_and_the_run_goes_on():
    retry = RunNews(NewsKind.RETRY, 1, {"code": None, "message": "", "delay": 0.0})
    events, found = told(text(0, "Hel"), retry, is_background=True)
    assert (kinds(found)[-1], found[-1].code) == ("error", "interrupted")
    assert (events.has_ended, events.has_broken_off) == (True, False)


def test_what_waits_in_the_background_is_background_first():
    _, found = told(text(0, "Hel"), end("Hello"), is_background=True)
    assert kinds(found)[:3] == ["created", "queued", "in_progress"]
    assert [event.response.status for event in found[:3]] == ["queued", "queued", "in_progress"]


def test_who_comes_back_is_told_what_he_has_not_heard_and_the_end_in_any_case():
    news = [text(0, "Hel"), text(3, "lo"), end("Hello")]
    whole = told(*news)[1]
    for after in range(9):
        assert told(*news, after=after)[1] == whole[after + 1 :]
    (last,) = told(end("Hello"), after=40)[1]
    assert (last.type, last.sequence_number, last.response.output_text) == ("response.completed", 41, "Hello")


def test_silence_is_a_comment():
    assert ResponseEvents(7, lambda state, ended: {}).of(None) == [KEEP_ALIVE]
