"""What a request asks of a model: an agent keeps what its version fixes, a plain model does as it is told."""

from typing import Any

import pytest

from agents.llm.types import Message, ToolSpec
from agents.requests.asking import asked, check_asked
from agents.spec import AgentSpec
from workers.errors import InvalidInput

AGENT = AgentSpec("triage", 1, "main", "m", instructions="Be brief.", prompt="-", parameters={"temperature": 0.1})
PLAIN = AgentSpec("~1~x", 1, "main", "m", prompt="-", is_plain=True)
EMBEDDINGS = AgentSpec("~1~y", 1, "main", "m", prompt="-", is_plain=True, operation="embeddings")
USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Look up.", "strict": True}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "x", "messages": [USER], **more}


def test_an_agent_keeps_its_instructions_and_what_its_version_fixes():
    spec, messages = asked(AGENT, "chat", chat(temperature=2, top_p=0.5, max_tokens=7, stream=True, n=1))

    assert messages == (Message("system", "Be brief."), Message("user", "Hi"))
    assert spec.parameters == {"temperature": 0.1, "top_p": 0.5, "max_tokens": 7}


def test_a_limit_of_the_answer_is_fixed_under_both_of_its_names():
    agent = AgentSpec("triage", 1, "main", "m", prompt="-", parameters={"max_completion_tokens": 5})

    assert asked(agent, "chat", chat(max_tokens=9))[0].parameters == {"max_completion_tokens": 5}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tools": [TOOL]}, "^tools must not be given to an agent"),
        ({"functions": [{"name": "f"}]}, "^functions must not be given to an agent"),
        ({"response_format": {"type": "json_object"}}, "^response_format must not be given to an agent"),
        ({"base_url": "http://127.0.0.1"}, "^'base_url' is not allowed"),
        ({"n": 2}, "^n is not supported: it must be 1"),
        ({"logprobs": True}, "^logprobs is not supported"),
    ],
)
def test_what_would_change_an_agent_is_refused(more: dict[str, Any], told: str):
    with pytest.raises(InvalidInput, match=told):
        asked(AGENT, "chat", chat(**more))


def test_a_plain_model_is_given_tools_settings_and_the_form_of_its_answer():
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    body = chat(
        tools=[TOOL], tool_choice="required", response_format=form, temperature=1, seed=None, metadata={"a": "b"}
    )

    spec, messages = asked(PLAIN, "chat", body)

    assert messages == (Message("user", "Hi"),)
    assert spec.parameters == {"tool_choice": "required", "temperature": 1}
    assert spec.tools == (ToolSpec("look_up", "Look up.", {"type": "object", "properties": {}}, strict=True),)
    assert spec.output_schema == SCHEMA


def test_any_object_will_do_where_a_json_object_is_asked_for():
    assert asked(PLAIN, "chat", chat(response_format={"type": "json_object"}))[0].output_schema == {"type": "object"}


def test_developers_speak_as_the_system():
    assert asked(PLAIN, "chat", {"messages": [{"role": "developer", "content": "Rhyme."}, USER]})[1] == (
        Message("system", "Rhyme."),
        Message("user", "Hi"),
    )


def test_what_means_nothing_may_be_sent():
    spec, _ = asked(PLAIN, "chat", chat(n=1, frequency_penalty=0, logprobs=False, modalities=["text"], user=None))

    assert spec.parameters == {}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"n": 2}, "^n is not supported: it must be 1"),
        ({"logprobs": True}, "^logprobs is not supported"),
        ({"functions": [{"name": "f"}]}, "^functions is not supported: use tools"),
        ({"tools": {}}, None),
        ({"tools": "x"}, "^tools must be a list"),
        ({"tools": [{"type": "retrieval"}]}, r"^tools\[0\] must be an object of type function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, r"^tools\[0\].function.name"),
        ({"tools": [TOOL, TOOL]}, "^tools names the function 'look_up' twice"),
        ({"response_format": {"type": "xml"}}, "^response_format.type must be one of"),
        ({"response_format": {"type": "json_schema"}}, "^response_format.json_schema must be"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 1}}}},
            "^response_format.json_schema.schema at",
        ),
        ({"messages": []}, "^messages must be a list of at least one"),
        ({"temperature": 9}, "^temperature must be a number from 0 to 2"),
        ({"base_url": "http://127.0.0.1"}, "^base_url is not a setting"),
        ({"api_key": "x"}, "^api_key is not a setting"),
        ({"extra_body": {"model": "x"}}, "^extra_body.model cannot be set"),
    ],
)
def test_what_is_wrong_with_a_request_is_named_first(more: dict[str, Any], told: str | None):
    if told is None:
        check_asked(PLAIN, "openai", "chat", chat(**more))
        return
    with pytest.raises(InvalidInput, match=told):
        check_asked(PLAIN, "openai", "chat", chat(**more))


def test_each_text_is_embedded_by_itself_and_tokens_are_passed_on():
    spec, messages = asked(EMBEDDINGS, "embeddings", {"model": "x", "input": ["a", [1, 2]], "dimensions": 8})

    assert (spec.operation, spec.parameters) == ("embedding_list", {"dimensions": 8})
    assert messages == (Message("user", "a"), Message("user", "", tokens=(1, 2)))


@pytest.mark.parametrize("given", ["a text", [3, 4]])
def test_a_single_text_or_its_tokens_need_no_list(given: Any):
    (message,) = asked(EMBEDDINGS, "embeddings", {"input": given})[1]

    assert given in (message.content, list(message.tokens))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "^input must be a text"),
        ({"input": []}, "^input must be a text"),
        ({"input": ["a"] * 2049}, "list of 1 to 2048"),
        ({"input": ["a", ""]}, r"^input\[1\] must be a text that is not empty"),
        ({"input": [[1, True]]}, r"^input\[0\] must be"),
        ({"input": "a", "encoding_format": "hex"}, "^encoding_format must be float or base64"),
        ({"input": "a", "dimensions": 0}, "^dimensions must be a whole number"),
        ({"input": "a", "temperature": 1}, "^temperature is not a setting of embeddings"),
    ],
)
def test_what_is_wrong_with_embeddings_is_named_first(body: dict[str, Any], told: str):
    with pytest.raises(InvalidInput, match=told):
        asked(EMBEDDINGS, "embeddings", body)


def test_who_answers_chats_cannot_embed():
    with pytest.raises(InvalidInput, match=r"^model: it answers chats"):
        asked(PLAIN, "embeddings", {"input": "a"})
