"""What the presets make of an agent's parameters and messages, and what they refuse."""

from typing import Any

import pytest

from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType
from agents.llm.providers.openai.wire import request_body
from agents.llm.registry import provider_names, provider_type
from agents.llm.types import EmbeddingRequest, FilePart, ImagePart, Message, ToolCall, ToolSpec
from workers.errors import ErrorCode, InvalidInput, WorkError

from .calls import ask

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = ToolSpec("now", "Tells the time.", {"type": "object", "properties": {}})


def dialect_of(name: str) -> Dialect:
    kind = provider_type(name)
    assert isinstance(kind, CompatibleType)
    return kind.dialect


def body(name: str, model: str = "m", *, stream: bool = False, **values: Any) -> dict[str, Any]:
    return request_body(ask(model=model, **values), dialect_of(name), stream=stream)


def test_tool_calls_of_another_model_go_to_gemini_3_with_its_mark():
    unsigned = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    calls = (ToolCall("a", "now", "{}"), ToolCall("b", "now", "{}"))
    other = Message("assistant", "", calls, replay={"openrouter": {"message": {}}})
    signed = Message("assistant", "", calls, replay={"gemini": {"calls": [{"extra_content": "signed"}, {}]}})

    def extras(model: str, message: Message) -> list[Any]:
        sent = body("gemini", model, messages=(message,))["messages"][0]
        return [call.get("extra_content") for call in sent["tool_calls"]]

    assert extras("gemini-3-flash-preview", other) == [unsigned, unsigned]
    assert extras("gemini-3-flash-preview", signed) == ["signed", None]
    assert extras("gemini-2.5-flash", other) == [None, None]


@pytest.mark.parametrize(
    ("name", "model", "parameters", "sent"),
    [
        ("openai", "gpt-4o", {"max_tokens": 5}, {"max_tokens": 5}),
        ("openai", "o3-mini", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai", "gpt-5", {"max_tokens": 5, "max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ("azure", "gpt-5.1", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai", "gpt-6-luna", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai", "gpt-7-2027-01-01", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("vllm", "m", {"max_completion_tokens": 5, "store": True}, {"max_tokens": 5}),
        ("mistral", "m", {"seed": 3, "tool_choice": "required"}, {"random_seed": 3, "tool_choice": "any"}),
        ("mistral", "m", {"tool_choice": {"type": "function"}}, {"tool_choice": {"type": "function"}}),
        ("openrouter", "m", {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            "openrouter",
            "m",
            {"reasoning_effort": "low", "extra_body": {"reasoning": {"exclude": True}, "top_k": 3}},
            {"reasoning": {"exclude": True, "effort": "low"}, "top_k": 3},
        ),
        ("groq", "m", {"max_tokens": 5, "service_tier": "flex"}, {"max_completion_tokens": 5, "service_tier": "flex"}),
        (
            "deepseek",
            "m",
            {"user": "u", "extra_body": {"thinking": {"type": "disabled"}}},
            {"thinking": {"type": "disabled"}},
        ),
    ],
)
def test_parameters_go_out_under_the_names_that_the_server_knows(
    name: str, model: str, parameters: dict[str, Any], sent: dict[str, Any]
):
    made = body(name, model, parameters=parameters)
    assert {key: value for key, value in made.items() if key not in ("model", "messages")} == sent


def test_an_agents_own_extra_body_is_not_changed():
    extra = {"reasoning": {"exclude": True}}
    body("openrouter", parameters={"reasoning_effort": "low", "extra_body": extra})
    assert extra == {"reasoning": {"exclude": True}}


@pytest.mark.parametrize(
    ("name", "model", "parameters", "message"),
    [
        ("openai", "o3", {"temperature": 0}, "parameters.temperature: o3 does not take it; leave it out"),
        ("openai", "gpt-5-mini", {"top_p": 1}, "parameters.top_p: gpt-5-mini does not take it"),
        ("openai", "gpt-5.1", {"temperature": 0, "reasoning_effort": "low"}, "unless reasoning_effort is none"),
        ("openai", "o4-mini", {"reasoning_effort": "minimal"}, "must be one of: low, medium, high for o4-mini"),
        ("openai", "gpt-5-pro", {"reasoning_effort": "low"}, "must be one of: high for gpt-5-pro; not 'low'"),
        ("openai", "gpt-5.1", {"reasoning_effort": "xhigh"}, "must be one of: none, low, medium, high for"),
        ("openai", "gpt-5-nano", {"stop": ["END"]}, "parameters.stop: gpt-5-nano does not take it"),
        ("openai", "gpt-5.4", {"temperature": 0, "reasoning_effort": "low"}, "unless reasoning_effort is none"),
        ("openai", "gpt-5.6-luna", {"temperature": 0}, "unless reasoning_effort is none"),
        ("openai", "gpt-6-sol", {"top_p": 1}, "unless reasoning_effort is none"),
        ("openai", "gpt-6.2-sol", {"temperature": 0}, "gpt-6.2-sol does not take it; leave it out"),
        ("openai", "gpt-6.2-sol", {"reasoning_effort": "none"}, "must be one of: low, medium, high, xhigh for"),
        ("openai", "gpt-6-luna", {"reasoning_effort": "max"}, "must be one of: none, low, medium, high, xhigh for"),
        ("gemini", "gemini-3.8-flash", {"reasoning_effort": "minimal"}, "must be one of: low, medium, high for"),
        ("gemini", "gemini-3.1-pro-preview", {"reasoning_effort": "none"}, "must be one of: low, medium, high for"),
        ("mistral", "mistral-medium-3.5", {"reasoning_effort": "low"}, "must be one of: none, high for"),
        ("groq", "qwen/qwen3.8-27b", {"reasoning_effort": "low"}, "must be one of: none, default for"),
        ("azure", "o3", {"temperature": 0}, "parameters.temperature: o3 does not take it"),
        ("groq", "m", {"logit_bias": {}}, "parameters.logit_bias is not a setting of this provider"),
        ("ollama", "m", {"tool_choice": "required"}, "parameters.tool_choice is not a setting of this provider"),
        ("mistral", "m", {"verbosity": "low"}, "parameters.verbosity is not a setting of this provider"),
    ],
)
def test_what_a_model_refuses_is_refused_before_it_is_called(
    name: str, model: str, parameters: dict[str, Any], message: str
):
    with pytest.raises(InvalidInput) as caught:
        provider_type(name).check_parameters(model, parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("gpt-5.1", {"temperature": 0}),
        ("gpt-5.4", {"temperature": 0, "reasoning_effort": "none"}),
        ("gpt-5.4", {"reasoning_effort": "xhigh"}),
        ("gpt-5.4-mini", {"temperature": 0}),
        ("gpt-5.5", {"temperature": 0, "reasoning_effort": "none"}),
        ("gpt-6.1-terra", {"top_p": 1, "reasoning_effort": "none"}),
        ("gpt-6.2-astra", {"reasoning_effort": "xhigh"}),
        ("gpt-7", {"temperature": 0, "reasoning_effort": "max"}),
        ("gpt-5-chat-latest", {"temperature": 0}),
        ("gpt-4o", {"temperature": 0, "reasoning_effort": "anything"}),
        ("o3-2025-04-16", {"reasoning_effort": "high"}),
    ],
)
def test_what_a_model_takes_passes(model: str, parameters: dict[str, Any]):
    provider_type("openai").check_parameters(model, parameters)


@pytest.mark.parametrize(
    ("name", "model", "values", "form"),
    [
        ("openai", "m", {}, "json_schema"),
        ("compatible", "m", {}, None),
        ("deepseek", "m", {}, "json_object"),
        ("groq", "m", {}, "json_object"),
        ("groq", "openai/gpt-oss-20b", {}, "json_schema"),
        ("groq", "openai/gpt-oss-20b", {"tools": (TOOL,)}, None),
        ("groq", "openai/gpt-oss-20b", {"stream": True}, None),
        ("gemini", "m", {"tools": (TOOL,)}, None),
        ("gemini", "m", {"stream": True}, "json_schema"),
        ("openrouter", "meta-llama/llama-3", {}, None),
        ("openrouter", "openai/gpt-4o", {}, "json_schema"),
    ],
)
def test_a_schema_is_asked_for_as_the_server_can(name: str, model: str, values: dict[str, Any], form: str | None):
    made = body(name, model, output_schema=SCHEMA, **values)
    assert made.get("response_format", {}).get("type") == form
    instructed = [message for message in made["messages"] if "JSON schema" in message["content"]]
    assert bool(instructed) is (form != "json_schema")


def test_tool_call_ids_of_another_provider_become_such_as_mistral_takes():
    calls = (ToolCall("call_abc-123456789", "now", "{}"), ToolCall("abcdefgh9", "now", "{}"))
    results = tuple(Message("tool", "noon", tool_call_id=call.id) for call in calls)
    made = body("mistral", messages=(Message("user", "When?"), Message("assistant", "", calls), *results))
    first, second = (call["id"] for call in made["messages"][1]["tool_calls"])
    assert len(first) == 9
    assert first.isalnum()
    assert second == "abcdefgh9"
    assert [message["tool_call_id"] for message in made["messages"][2:]] == [first, second]


def test_what_is_replayed_goes_to_its_own_provider_alone():
    replay = {
        "openrouter": {"message": {"reasoning_details": [1], "role": "system"}},
        "gemini": {"calls": [{"extra_content": {"signed": True}, "id": "evil"}]},
    }
    message = Message("assistant", "", (ToolCall("1", "now", "{}"),), replay=replay)
    to_openrouter = body("openrouter", messages=(message,))["messages"][0]
    assert to_openrouter["reasoning_details"] == [1]
    assert to_openrouter["role"] == "assistant"
    assert "extra_content" not in to_openrouter["tool_calls"][0]
    to_gemini = body("gemini", messages=(message,))["messages"][0]
    assert to_gemini["tool_calls"][0]["extra_content"] == {"signed": True}
    assert to_gemini["tool_calls"][0]["id"] == "1"
    assert "reasoning_details" not in to_gemini
    to_deepseek = body("deepseek", messages=(message,))["messages"][0]
    assert set(to_deepseek) == {"role", "content", "tool_calls"}


IMAGE = ImagePart("https://example.com/a.png", "low")
DATA_IMAGE = ImagePart("data:image/png;base64,AAAA")
PDF = FilePart("data:application/pdf;base64,AAAA", "a.pdf")


def content(name: str, *parts: Any, model: str = "m") -> Any:
    return body(name, model, messages=(Message("user", "", parts=parts),))["messages"][0]["content"]


def test_parts_stand_in_their_order():
    assert content("openai", "Look:", IMAGE, PDF) == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    assert content("mistral", PDF) == [
        {"type": "document_url", "document_url": "data:application/pdf;base64,AAAA", "document_name": "a.pdf"}
    ]


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("ollama", IMAGE, "takes images as data: URLs alone"),
        ("deepseek", DATA_IMAGE, "m takes no images"),
        ("groq", PDF, "m takes no files"),
        ("openai", FilePart("https://example.com/a.pdf"), "takes files as data: URLs alone"),
    ],
)
def test_parts_that_a_server_does_not_take_are_refused_unsent(name: str, part: Any, message: str):
    with pytest.raises(WorkError, match=message) as caught:
        content(name, part)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_embeddings_that_a_provider_lacks_are_refused_unsent():
    client = provider_type("groq").connect(ProviderConfig(api_key="k"))
    with pytest.raises(WorkError, match="the provider 'groq' has no embeddings"):
        await client.embed(EmbeddingRequest("m", ("a",)))


@pytest.mark.parametrize("name", sorted(set(provider_names()) - {"simulated", "anthropic"}))
def test_known_models_have_prices_and_their_parameters_can_be_checked(name: str):
    kind = provider_type(name)
    for model, known in kind.known_models().items():
        assert known.input_price is not None
        assert known.output_price is not None
        assert known.cached_input_price is None or known.cached_input_price < known.input_price
        kind.check_parameters(model, {"max_tokens": 5})


def test_dated_and_free_models_are_known_by_their_names():
    openai, openrouter = provider_type("openai"), provider_type("openrouter")
    assert openai.defaults("gpt-4o-2024-08-06") == openai.defaults("gpt-4o")
    free = openrouter.defaults("meta-llama/llama-3.3-70b-instruct:free")
    assert (free.requests_per_minute, free.input_price) == (20, 0)
    assert provider_type("ollama").defaults("any").max_concurrency == 4


@pytest.mark.parametrize("name", ["azure", "compatible"])
def test_a_provider_without_an_address_wants_a_base_url(name: str):
    with pytest.raises(InvalidInput, match=f"base_url: the provider '{name}' needs one, such as https://"):
        provider_type(name).connect(ProviderConfig(api_key="k"))
