"""What a run says to the model first: the agent's instructions and the run's input."""

from collections.abc import Mapping
from typing import Any

from agents.llm.types import Message, Role, ToolCall
from agents.prompts import template
from agents.spec import AgentSpec
from workers.errors import InvalidInput

MAX_MESSAGES = 10_000
# All else that OpenAI's body of a chat completion may hold. Programs that were written for OpenAI send it; here the
# agent's version decides. https://platform.openai.com/docs/api-reference/chat/create
IGNORED_KEYS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def build_messages(spec: AgentSpec, input_kind: str, input: Any) -> tuple[Message, ...]:
    """Return the first messages of a run.

    `input_kind` "columns": `input` holds the columns of a row; the instructions are the system message, the rendered
    prompt the user message. `input_kind` "chat": `input` is a chat body whose `messages` follow the instructions;
    IGNORED_KEYS may be there and are not read, any other key is refused: where and how a run is made (base_url, ...) is
    the agent's to say. Raises InvalidInput naming the column, key or message that is missing or wrong.
    """
    if not isinstance(input, Mapping):
        raise InvalidInput("the input must be a JSON object")
    instructions = (Message("system", spec.instructions),) if spec.instructions else ()
    if input_kind == "columns":
        return (*instructions, Message("user", template(spec.prompt).render(input)))
    if input_kind == "chat":
        _check_keys(input)
        return (*instructions, *_chat(input.get("messages")))
    raise InvalidInput(f"input_kind must be 'columns' or 'chat', not {input_kind!r}")


def _check_keys(body: Mapping[str, Any]) -> None:
    refused = sorted(key[:100] for key in body if key != "messages" and key not in IGNORED_KEYS)
    if refused:
        raise InvalidInput(
            f"{refused[0]!r} is not allowed in a chat body, since the agent says where and how it runs; allowed are "
            f"messages, and without effect: {', '.join(sorted(IGNORED_KEYS))}"
        )


def _chat(values: Any) -> tuple[Message, ...]:
    if not isinstance(values, list) or not values:
        raise InvalidInput("messages must be a list of at least one message")
    if len(values) > MAX_MESSAGES:
        raise InvalidInput(f"messages holds {len(values)} messages; at most {MAX_MESSAGES} are allowed")
    return tuple(_message(value, f"messages[{index}]") for index, value in enumerate(values))


def _message(value: Any, place: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidInput(f"{place} must be an object with role and content")
    given = value.get("role")
    role = _ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise InvalidInput(f"{place}.role must be one of: {', '.join(_ROLES)}; not {given!r}")
    calls = _tool_calls(value.get("tool_calls"), role, place)
    content = _content(value.get("content"), place, may_be_empty=bool(calls))
    answered = value.get("tool_call_id")
    if (role == "tool") is not isinstance(answered, str):
        raise InvalidInput(f"{place}.tool_call_id must be a text on messages of role tool, and on no other")
    return Message(role, content, calls, answered)


def _content(value: Any, place: str, *, may_be_empty: bool) -> str:
    """Return the text of a message; a list of text parts is joined."""
    if isinstance(value, str):
        return value
    if value is None and may_be_empty:
        return ""
    if isinstance(value, list) and value and all(_is_text_part(part) for part in value):
        return "".join(part["text"] for part in value)
    raise InvalidInput(f"{place}.content must be a text, or a list of parts of type text")


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _tool_calls(values: Any, role: Role, place: str) -> tuple[ToolCall, ...]:
    if values is None:
        return ()
    if role != "assistant" or not isinstance(values, list):
        raise InvalidInput(f"{place}.tool_calls must be a list, on a message of role assistant")
    return tuple(_tool_call(value, f"{place}.tool_calls[{index}]") for index, value in enumerate(values))


def _tool_call(value: Any, place: str) -> ToolCall:
    match value:
        case {"id": str(id), "function": {"name": str(name), "arguments": str(arguments)}}:
            return ToolCall(id, name, arguments)
    raise InvalidInput(f"{place} must hold an id and a function with name and arguments, all texts")
