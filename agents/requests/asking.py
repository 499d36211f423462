"""What a run asks of a model: its agent's version, and what its input adds to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.embeddings import EMBEDDING_PARAMETERS
from agents.llm.registry import provider_type
from agents.llm.types import Message
from agents.messages import build_messages, chat_messages
from agents.spec import EMBEDDING_LIST, AgentSpec
from workers.errors import InvalidInput

from .formats import read_format
from .parameters import check_fulfilled, open_parameters, plain_parameters
from .tools import read_tools

Asked = tuple[AgentSpec, tuple[Message, ...]]
# OpenAI's: https://platform.openai.com/docs/api-reference/embeddings/create
MOST_INPUTS = 2048
LARGEST_TOKEN = 2**31 - 1
_EMBEDDING_KEYS = frozenset({"input", "model", "encoding_format"})


def asked(spec: AgentSpec, kind: str, input: Any) -> Asked:
    """Return the spec that holds for one run, and its first messages.

    `kind` says what `input` is: the `columns` of a row, or the body of a request, `chat`, `embeddings` or `responses`
    (whose body holds that of the chat that it stands for). Raises InvalidInput naming what is wrong.
    """
    if kind == "columns":
        return spec, build_messages(spec, kind, input)
    if not isinstance(input, Mapping):
        raise InvalidInput("the input must be a JSON object")
    if kind == "embeddings":
        return _embeddings(spec, input)
    body = input.get("chat") if kind == "responses" else input
    if not isinstance(body, Mapping):
        raise InvalidInput("chat must be the body of a chat")
    return _plain_chat(spec, body) if spec.is_plain else _agent_chat(spec, body)


def check_asked(spec: AgentSpec, provider: str, kind: str, input: Any) -> None:
    """Raise InvalidInput, beginning with the field's name, where a request cannot be run: all that `asked` refuses.

    `provider` is the name of the model's provider, which knows the settings that its models take.
    """
    changed, _ = asked(spec, kind, input)
    if changed.parameters == spec.parameters or kind == "embeddings":
        return
    try:
        provider_type(provider).check_parameters(changed.model, changed.parameters)
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix("parameters.")) from None


def _plain_chat(spec: AgentSpec, body: Mapping[str, Any]) -> Asked:
    check_fulfilled(body)
    changed = replace(
        spec,
        parameters=plain_parameters(body),
        tools=read_tools(body["tools"]) if body.get("tools") else (),
        output_schema=read_format(body.get("response_format")),
    )
    return changed, chat_messages(body)


def _agent_chat(spec: AgentSpec, body: Mapping[str, Any]) -> Asked:
    for name in ("tools", "functions"):
        if body.get(name):
            raise InvalidInput(f"{name} must not be given to an agent: its version says which tools it has")
    if read_format(body.get("response_format")) is not None:
        raise InvalidInput("response_format must not be given to an agent: its version says the form of its answers")
    check_fulfilled(body)
    given = open_parameters(spec, body)
    changed = replace(spec, parameters={**spec.parameters, **given}) if given else spec
    return changed, build_messages(spec, "chat", body)


def _embeddings(spec: AgentSpec, body: Mapping[str, Any]) -> Asked:
    if spec.operation == "chat":
        raise InvalidInput("model: it answers chats, and cannot be asked for embeddings")
    given = {name: value for name, value in body.items() if name not in _EMBEDDING_KEYS and value is not None}
    _check_embedding_keys(given, body.get("encoding_format"))
    messages = tuple(_embedded(item, place) for item, place in _inputs(body.get("input")))
    return replace(spec, operation=EMBEDDING_LIST, parameters={**given, **spec.parameters}), messages


def _check_embedding_keys(given: Mapping[str, Any], encoding: Any) -> None:
    for name, value in given.items():
        rule = EMBEDDING_PARAMETERS.get(name)
        if rule is None:
            allowed = ", ".join(sorted({*EMBEDDING_PARAMETERS, *_EMBEDDING_KEYS}))
            raise InvalidInput(f"{name[:100]} is not a setting of embeddings; allowed: {allowed}")
        rule(name, value)
    if encoding not in (None, "float", "base64"):
        raise InvalidInput("encoding_format must be float or base64")


def _inputs(value: Any) -> Sequence[tuple[Any, str]]:
    """Return what is to be embedded, each with its place; a list of whole numbers is one text as tokens."""
    if isinstance(value, str) or (isinstance(value, list) and value and type(value[0]) is int):
        return [(value, "input")]
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_INPUTS:
        raise InvalidInput(f"input must be a text, a list of tokens, or a list of 1 to {MOST_INPUTS} of these")
    return [(item, f"input[{place}]") for place, item in enumerate(value)]


def _embedded(item: Any, place: str) -> Message:
    if isinstance(item, str) and item:
        return Message("user", item)
    if isinstance(item, list) and item and all(type(token) is int and 0 <= token <= LARGEST_TOKEN for token in item):
        return Message("user", "", tokens=tuple(item))
    raise InvalidInput(f"{place} must be a text that is not empty, or a list of tokens")
