"""A request for a response as the chat that it stands for."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.requests.asking import asked, check_asked
from agents.spec import AgentSpec
from agents.values import fault_of
from batches.openai_api.responses.conversion import Earlier, converted, runs_before, stored_input
from batches.openai_api.responses.lines import checked_line
from batches.openai_api.responses.listing import listed_items
from workers.errors import InvalidInput

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def chat(**request):
    return converted({"model": "m", **request}).chat


def messages(*items, **request):
    return chat(input=list(items), **request)["messages"]


def call(name, number):
    return {"type": "function_call", "call_id": f"c{number}", "name": name, "arguments": "{}"}


def made(name, number):
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_a_text_is_what_the_user_says_behind_the_instructions():
    assert chat(input="Hi", instructions="Be brief.") == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    }


def test_texts_are_joined_and_images_and_files_are_named_as_a_chat_names_them():
    texts = {"role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}
    parts = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "https://x.org/a.png", "detail": "original"},
        {"type": "input_file", "file_url": "https://x.org/a.pdf"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"},
    ]
    assert messages(texts, {"type": "message", "role": "user", "content": parts}) == [
        {"role": "developer", "content": "ab"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "high"}},
                {"type": "file", "file": {"file_data": "https://x.org/a.pdf"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}},
            ],
        },
    ]


def test_calls_belong_to_the_answer_before_them_and_thoughts_are_not_told_again():
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]}
    output = [{"type": "input_text", "text": "sunny"}]
    assert messages(
        {"role": "user", "content": "Rain?"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        answer,
        call("weather", 1),
        call("clock", 2),
        {"type": "function_call_output", "call_id": "c1", "output": output},
        {"type": "function_call_output", "call_id": "c2", "output": "noon"},
        call("weather", 3),
    ) == [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": "Wait.", "tool_calls": [made("weather", 1), made("clock", 2)]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "noon"},
        {"role": "assistant", "content": None, "tool_calls": [made("weather", 3)]},
    ]


def test_what_was_said_before_stands_between_the_instructions_and_the_input():
    before = Earlier([{"role": "user", "content": "One"}], {"msg_1": {"role": "assistant", "content": "Uno"}})
    request = {"instructions": "Spanish", "input": [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}]}
    found = converted(request, before)
    assert [message["content"] for message in found.chat["messages"]] == ["Spanish", "One", "Uno", "Uno"]
    assert found.places == ["instructions", "previous_response_id", "input[0]", "input[1]"]


def test_parameters_have_a_chats_names():
    given = chat(
        input="Hi",
        max_output_tokens=7,
        temperature=0.5,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        truncation="auto",
        metadata={"a": "b"},
        store=True,
        top_p=None,
    )
    del given["messages"]
    assert given == {
        "max_completion_tokens": 7,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}},
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    }


def test_only_the_allowed_tools_are_shown():
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    found = chat(input="Hi", tools=[TOOL, {**TOOL, "name": "clock"}], tool_choice=choice)
    assert ([tool["function"]["name"] for tool in found["tools"]], found["tool_choice"]) == (["weather"], "required")


def said(*parts):
    return {"input": [{"role": "user", "content": list(parts)}]}


def answered(part):
    return {"input": [{"type": "function_call_output", "call_id": "c", "output": [part]}]}


def allowed(name):
    tools = [{"type": "function", "name": name}]
    return {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": tools}}


WRONG = [
    ({}, "input"),
    ({"input": []}, "input"),
    ({"input": ["Hi"]}, "input[0]"),
    ({"input": [{"role": "tool", "content": "Hi"}]}, "input[0].role"),
    ({"input": [{"role": ["user"], "content": "Hi"}]}, "input[0].role"),
    ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
    ({"input": [{"type": ["message"]}]}, "input[0].type"),
    (said({"type": "input_audio"}), "input[0].content[0]"),
    (said({"type": "input_image", "file_id": "f"}), "input[0].content[0].image_url"),
    (said({"type": "input_file", "file_id": "f"}), "input[0].content[0]"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "n"}]}, "input[0].arguments"),
    ({"input": [{"type": "function_call_output", "output": "o"}]}, "input[0].call_id"),
    (answered({"type": "input_file", "file_url": "u"}), "input[0].output"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
    ({"input": [{"id": ["msg_1"]}]}, "input[0].id"),
    ({"instructions": ["Hi"]}, "instructions"),
    ({"tools": {}}, "tools"),
    ({"tools": ["weather"]}, "tools[0]"),
    ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1].type"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
    (allowed([]), "tool_choice.tools"),
    ({"text": "short"}, "text"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"text": {"tone": "kind"}}, "text.tone"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"include": ["message.output_text.logprobs"]}, "include"),
    ({"include": "all"}, "include"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"background": True, "store": False}, "background"),
    ({"stream": "yes"}, "stream"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
    ({"base_url": "https://evil.example"}, "base_url"),
]


@pytest.mark.parametrize(("changed", "field"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_is_told_with_its_parameter(changed, field):
    request = {"model": "m", "input": "Hi", **changed} if changed else {"model": "m"}
    with pytest.raises(InvalidInput) as caught:
        converted(request)
    assert caught.value.field == field


def spec(**values):
    return AgentSpec(slug="s", version=1, credential="c", model="m", prompt="-", **values)


def keep(body):
    fault = fault_of(body)
    raise InvalidInput(f"the body at {fault}") if fault else AssertionError("it can be kept")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"input": [{"role": "user", "content": "H\x00"}]}, "input[0].content"),
        ({"instructions": "\x00"}, "instructions"),
        ({"user": "\x00"}, "user"),
    ],
)
def test_what_cannot_be_stored_is_told_where_it_stands_in_the_request(changed, field):
    with pytest.raises(InvalidInput) as caught:
        checked_line({"model": "m", "input": "Hi", **changed}, keep)
    assert caught.value.field == field


TEXTS = st.sampled_from(
    ["message", "function_call", "function_call_output", "item_reference", "input_text", "input_image", "user", "auto"]
)
NAMES = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "text",
        "id",
        "call_id",
        "name",
        "arguments",
        "output",
        "format",
        "schema",
        "tools",
        "mode",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4)
)
PARAMETERS = st.sampled_from(
    [
        "input",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "include",
        "metadata",
        "instructions",
        "previous_response_id",
    ]
)


@settings(max_examples=300)
@given(st.dictionaries(PARAMETERS, VALUES, max_size=4), VALUES)
def test_whatever_is_sent_is_converted_or_refused(changed, item):
    request = {"model": "m", "input": [item], **changed}
    # Anything else that is raised would be our own fault.
    with suppress(InvalidInput):
        runs_before(request)
        found = converted(request)
        listed_items(7, request)
        check_asked(spec(is_plain=True), "openai", "responses", stored_input(request, found))


def test_an_agents_own_instructions_stay_first():
    request = {"input": "Hi", "instructions": "Given."}
    found = converted(request)
    _, told = asked(spec(instructions="Own."), "responses", stored_input(request, found))
    assert [(message.role, message.content) for message in told] == [
        ("system", "Own."),
        ("system", "Given."),
        ("user", "Hi"),
    ]


def check(body, **values):
    check_asked(spec(**values), "openai", "responses", body)
    return str(body["chat"]["messages"])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"text": {"verbosity": 3}}, "text.verbosity"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": 3}}}}, "text.format.schema"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name"),
        ({"temperature": 3}, "temperature"),
        (said({"type": "input_image", "image_url": "ftp://x"}), "input[0].content[0].image_url.url"),
    ],
)
def test_what_a_model_refuses_is_told_in_the_words_of_the_request(changed, field):
    with pytest.raises(InvalidInput) as caught:
        checked_line(
            {"model": "m", "instructions": "i", "input": "Hi", **changed}, lambda body: check(body, is_plain=True)
        )
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"stream": True}, "stream"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ],
)
def test_what_an_agent_or_a_batch_refuses_is_told_with_its_parameter(changed, field):
    with pytest.raises(InvalidInput) as caught:
        checked_line({"model": "m", "input": "Hi", **changed}, check)
    assert caught.value.field == field


def test_a_line_of_a_batch_is_kept_with_what_was_asked_and_the_chat():
    kept = []
    request = {"model": "m", "input": "Hi", "store": False}
    assert checked_line(request, lambda body: kept.append(body) or "text") == "text"
    assert kept == [{"request": request, "chat": {"messages": [{"role": "user", "content": "Hi"}]}}]


def test_a_request_that_streams_is_marked_for_its_worker():
    request = {"input": "Hi", "stream": True}
    assert stored_input(request, converted(request))["stream"] is True


def test_the_runs_that_a_request_goes_on_from_are_read_from_its_names():
    items = [{"id": "msg_12"}, {"type": "item_reference", "id": "fc_13_1"}, {"type": "item_reference", "id": "x"}, "Hi"]
    assert runs_before({"previous_response_id": "resp_7", "input": items}) == (7, {12, 13})
    assert runs_before({"input": "Hi"}) == (None, set())
    for name in ("7", "resp_", "resp_-1", "resp_1e3", "resp_" + "9" * 17, 7):
        with pytest.raises(InvalidInput, match=r"^previous_response_id must"):
            runs_before({"previous_response_id": name})
