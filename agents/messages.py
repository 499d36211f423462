"""What a run says to the model first: the agent's instructions and the run's input."""

from collections.abc import Mapping
from typing import Any

from agents.llm.types import Message, Role, ToolCall
from agents.prompts import template
from agents.spec import AgentSpec
from workers.errors import InvalidInput

MAX_MESSAGES = 10_000
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def build_messages(spec: AgentSpec, input_kind: str, input: Any) -> tuple[Message, ...]:
    """Return the first messages of a run.

    `input_kind` "columns": `input` holds the columns of a row; the instructions are the system message, the rendered
    prompt the user message. `input_kind` "chat": `input` is a chat body whose `messages` follow the instructions; what
    else the body holds is not read here. Raises InvalidInput naming the column or message that is missing or wrong.
    """
    if not isinstance(input, Mapping):
        raise InvalidInput("the input must be a JSON object")
    instructions = (Message("system", spec.instructions),) if spec.instructions else ()
    if input_kind == "columns":
        return (*instructions, Message("user", template(spec.prompt).render(input)))
    if input_kind == "chat":
        return (*instructions, *_chat(input.get("messages")))
    raise InvalidInput(f"input_kind must be 'columns' or 'chat', not {input_kind!r}")


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
