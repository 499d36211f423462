"""The story of a run: the timeline and the conversation, from what is stored."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.llm.types import ToolCall
from batches.execution.noting import LONGEST_EVENT_TEXT
from batches.models import Run
from batches.stories import find_run, run_story
from batches.stories.moments import Attachment, MomentKind
from tests.support.factories import make_agent, make_batch, make_single_run

from .told import add_attempt, add_event, make_told_run

pytestmark = pytest.mark.django_db
KIND = MomentKind


def test_the_timeline_holds_attempts_calls_tools_and_the_waiting_between():
    moments = run_story(make_told_run()).timeline

    assert [(moment.kind, moment.attempt, round(moment.start, 2), moment.seconds) for moment in moments] == [
        (KIND.WAITING, 1, 0.0, 2.0),
        (KIND.ATTEMPT, 1, 2.0, 1.0),
        (KIND.WAITING, 2, 3.0, 2.0),
        (KIND.ATTEMPT, 2, 5.0, 4.0),
        (KIND.CALL, 2, 5.0, 1.0),
        (KIND.TOOL, 2, 6.0, 0.5),
        (KIND.FAILED_OVER, 2, 7.0, None),
        (KIND.CALL, 2, 7.0, 1.0),
        (KIND.REJECTED, 2, 8.0, None),
        (KIND.CALL, 2, 8.0, 1.0),
    ]


def test_moments_say_who_answered_and_what_went_wrong():
    story = run_story(make_told_run())
    by_kind = {moment.kind: moment for moment in story.timeline}

    last = by_kind[KIND.CALL]
    assert (last.name, last.step, last.usage.total_tokens, last.usage.cached_tokens) == ("sim/large", 3, 14, 4)
    assert last.first_token == 0.25
    assert (by_kind[KIND.FAILED_OVER].name, by_kind[KIND.FAILED_OVER].detail) == ("sim/small", "overloaded: Busy.")
    assert by_kind[KIND.REJECTED].detail == "$.sum: 'three' is not of type 'integer'"
    refused = story.moments(1)[1]
    assert (refused.detail, refused.is_error) == ("retried: rate_limited: Slow down.", True)
    assert {moment.attempt for moment in story.moments(2)} == {2}


def test_the_conversation_is_what_the_model_saw_and_said():
    story = run_story(make_told_run())

    assert [(said.role, said.text) for said in story.conversation()] == [
        ("system", "Add up."),
        ("user", "1 and 2"),
        ("assistant", "Let me see."),
        ("tool", "3"),
        ("assistant", '{"sum": "three"}'),
        (
            "user",
            "Your last answer was rejected. $.sum: 'three' is not of type 'integer'\n"
            "Answer again with the whole JSON value, mended, and nothing else: no explanation, no code fence.",
        ),
        ("assistant", '{"sum": 3}'),
    ]
    asked, result = story.conversation()[2:4]
    assert asked.tool_calls == (ToolCall("c1", "calculator", '{"expression": "1+2"}'),)
    assert (result.tool_call_id, result.name, result.step) == ("c1", "calculator", 1)
    assert [said.role for said in story.conversation(1)] == ["system", "user"]


def test_a_story_takes_two_queries_however_much_happened(django_user_model):
    owner = django_user_model.objects.create_superuser("boss")
    run = find_run(owner, str(make_told_run(owner=owner).pk))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        run_story(run)

    assert len(queries) == 2


def test_a_row_with_one_plain_call_is_told_by_its_attempt():
    batch = make_batch(rows=1)
    run = batch.runs.get()
    Run.objects.filter(pk=run.pk).update(state="succeeded", attempt=1, output="row 0", is_cached=True)
    run.refresh_from_db()
    add_attempt(run, 1, run.created_at, at=0, seconds=1.5, steps=1, model="sim/a", input_tokens=7, first_token_ms=300)

    story = run_story(run)

    call = story.timeline[-1]
    assert (call.kind, call.calls, call.name, call.seconds, call.first_token) == (KIND.CALL, 1, "sim/a", 1.5, 0.3)
    assert (call.usage.input_tokens, call.is_cached) == (7, True)
    assert [said.text for said in story.conversation()] == ["row 0", "row 0"]


def test_a_row_whose_first_model_failed_tells_the_call_that_answered():
    run = make_batch(rows=1).runs.get()
    Run.objects.filter(pk=run.pk).update(state="succeeded", attempt=1, output="row 0", model="sim/b")
    run.refresh_from_db()
    add_attempt(run, 1, run.created_at, at=0, seconds=3, steps=1, model="sim/b", input_tokens=7)
    failure = {"step": 1, "model": "sim/a", "code": "connection", "message": "Refused."}
    add_event(run, 1, run.created_at + timedelta(seconds=1), "failed_over", failure)

    told = [(moment.kind, moment.name, moment.start, moment.seconds) for moment in run_story(run).timeline[1:]]

    assert told == [(KIND.FAILED_OVER, "sim/a", 1.0, None), (KIND.CALL, "sim/b", 1.0, 2.0)]


def test_a_run_that_waits_says_for_how_long_and_what_it_will_be_told():
    run = make_single_run()
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(seconds=30))
    run.refresh_from_db()

    story = run_story(run)

    (waiting,) = story.timeline
    assert waiting.kind is KIND.WAITING
    assert 30 <= waiting.seconds < 40
    assert [said.text for said in story.conversation()] == ["hello"]


def test_a_running_attempt_is_no_waiting():
    assert run_story(make_single_run(state="running", attempt=1)).timeline == ()


def test_an_input_that_gives_no_message_says_why():
    story = run_story(make_single_run(input={"other": "x"}))

    assert story.conversation() == ()
    assert "text" in story.problem


def test_chat_input_with_its_tool_calls_is_told():
    body = {
        "messages": [
            {"role": "user", "content": "Add."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "3", "tool_call_id": "a"},
        ]
    }

    said = run_story(make_single_run(input=body, input_kind="chat")).conversation()

    assert [message.role for message in said] == ["user", "assistant", "tool"]
    assert said[1].tool_calls[0].name == "f"
    assert said[2].tool_call_id == "a"


def test_what_was_cut_or_not_kept_is_told():
    run = make_told_run()
    add_event(run, 2, timezone.now(), "rejected", {"step": 4, "problem": "p", "answer": "x" * LONGEST_EVENT_TEXT})
    add_event(run, 2, timezone.now(), "tool_call", {"step": 5, "name": "f", "arguments": "{}"})

    said = run_story(run).conversation()

    assert [message.is_clipped for message in said if message.step == 4] == [True, False]
    assert next(message.text for message in said if message.step == 5) is None


def test_clocks_that_differ_never_lead_before_the_beginning():
    run = make_single_run(state="failed", attempt=1)
    add_attempt(run, 1, run.created_at, at=-3, seconds=1, outcome="failed", error_code="timeout")

    (attempt,) = run_story(run).timeline
    assert (attempt.start, attempt.seconds) == (0.0, 1.0)


def test_attachments_are_told_without_their_bytes():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    file = {"type": "file", "file": {"file_data": "https://example.com/a.pdf", "filename": "a.pdf"}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look."}, image, file]}]}

    (said,) = run_story(make_single_run(input=body, input_kind="chat")).conversation()

    assert said.text == "Look."
    assert said.attachments == (
        Attachment("data:image/png;base64", 26),
        Attachment("a.pdf, https://example.com/a.pdf", 25),
    )


def test_an_agent_without_instructions_has_no_system_message():
    run = make_single_run(make_agent().current_version)

    assert [said.role for said in run_story(run).conversation()] == ["user"]
