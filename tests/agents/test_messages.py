import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsBase,
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from agents.llm.types import Message, ToolCall
from agents.messages import build_messages
from agents.spec import AgentSpec
from workers.errors import InvalidInput

SPEC = AgentSpec("triage", 1, "test", "m", instructions="Be brief.", prompt="Ticket: {{ ticket }}")
CALL = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def test_columns_are_rendered_after_the_instructions():
    assert build_messages(SPEC, "columns", {"ticket": "{{ x }}", "more": 1}) == (
        Message("system", "Be brief."),
        Message("user", "Ticket: {{ x }}"),
    )


def test_without_instructions_there_is_no_system_message():
    spec = AgentSpec("triage", 1, "test", "m", prompt="{{ ticket }}")

    assert build_messages(spec, "columns", {"ticket": "a"}) == (Message("user", "a"),)


@pytest.mark.parametrize(
    "key",
    ["base_url", "api_key", "api_base", "headers", "extra_headers", "extra_body", "credential", "tempreature", ""],
)
def test_a_chat_body_cannot_say_where_or_how_it_runs(key):
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], key: "http://127.0.0.1:9"}

    with pytest.raises(InvalidInput, match=f"^'{key}' is not allowed in a chat body.*allowed are messages"):
        build_messages(SPEC, "chat", body)


def test_a_chat_body_may_hold_whatever_openais_client_sends():
    shapes = (CompletionCreateParamsBase, CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming)
    known = {key for shape in shapes for key in shape.__annotations__}
    body = dict.fromkeys(known, "x") | {"messages": [{"role": "user", "content": "a"}]}

    assert {"model", "stream", "temperature"} < set(body)
    assert build_messages(SPEC, "chat", body) == (Message("system", "Be brief."), Message("user", "a"))


def test_a_chat_body_follows_the_instructions():
    body = {
        "model": "not read",
        "messages": [
            {"role": "system", "content": "Speak French."},
            {"role": "user", "content": [{"type": "text", "text": "What "}, {"type": "text", "text": "time?"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "noon", "tool_call_id": "c1"},
        ],
    }

    assert build_messages(SPEC, "chat", body) == (
        Message("system", "Be brief."),
        Message("system", "Speak French."),
        Message("user", "What time?"),
        Message("assistant", "", (ToolCall("c1", "now", "{}"),)),
        Message("tool", "noon", tool_call_id="c1"),
    )


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("columns", {"tickt": "x"}, "prompt, line 1: there is no column 'ticket'"),
        ("columns", [1], "must be a JSON object"),
        ("columns", None, "must be a JSON object"),
        ("rows", {}, "input_kind must be"),
    ],
)
def test_wrong_inputs_are_named(kind, value, told):
    with pytest.raises(InvalidInput, match=told):
        build_messages(SPEC, kind, value)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (None, "messages must be a list"),
        ([], "at least one message"),
        ({"role": "user"}, "messages must be a list"),
        ([5], r"messages\[0\] must be an object"),
        ([{"role": "user", "content": "a"}, {"role": "root", "content": "a"}], r"messages\[1\]\.role must be one of"),
        ([{"role": ["user"], "content": "a"}], "role must be one of"),
        ([{"role": "user"}], r"messages\[0\]\.content"),
        ([{"role": "user", "content": None}], r"messages\[0\]\.content"),
        ([{"role": "user", "content": []}], r"messages\[0\]\.content"),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}],
            r"messages\[0\]\.content\[0\] must be a part of type text",
        ),
        ([{"role": "tool", "content": "a"}], "tool_call_id"),
        ([{"role": "user", "content": "a", "tool_call_id": "c"}], "tool_call_id"),
        ([{"role": "user", "content": "a", "tool_calls": [CALL]}], "of role assistant"),
        ([{"role": "assistant", "tool_calls": [{"id": 5}]}], r"messages\[0\]\.tool_calls\[0\]"),
        ([{"role": "user", "content": "a"}] * 10_001, "at most 10000"),
    ],
)
def test_wrong_chat_bodies_are_named(messages, told):
    with pytest.raises(InvalidInput, match=told):
        build_messages(SPEC, "chat", {"messages": messages})
