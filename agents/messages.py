"""What a run says to the model first: the agent's instructions and the run's input."""

from collections.abc import Mapping
from typing import Any

from agents.attachments import attached_parts, check_url, url_part
from agents.llm.types import FilePart, ImagePart, Message, Part, Role, ToolCall
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
_PART_TYPES = "text, image_url, or file with its file_data"
# OpenAI's newer models have developers where others have the system.
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def build_messages(spec: AgentSpec, input_kind: str, input: Any) -> tuple[Message, ...]:
    """Return the first messages of a run.

    `input_kind` "columns": `input` holds the columns of a row; the instructions are the system message, the rendered
    prompt the user message, and behind it what the columns of the version's attachments hold. `input_kind` "chat":
    `input` is a chat body whose `messages` follow the instructions; IGNORED_KEYS may be there and are not read, any
    other key is refused: where and how a run is made (base_url, ...) is the agent's to say. Raises InvalidInput naming
    the column, key or message that is missing or wrong.
    """
    if not isinstance(input, Mapping):
        raise InvalidInput("the input must be a JSON object")
    instructions = (Message("system", spec.instructions),) if spec.instructions else ()
    if input_kind == "columns":
        return (*instructions, _row_message(spec, input))
    if input_kind == "chat":
        _check_keys(input)
        return (*instructions, *chat_messages(input))
    raise InvalidInput(f"input_kind must be 'columns' or 'chat', not {input_kind!r}")


def _row_message(spec: AgentSpec, columns: Mapping[str, Any]) -> Message:
    prompt = template(spec.prompt).render(columns)
    attached = attached_parts(spec.attachments, columns) if spec.attachments else ()
    return Message("user", prompt, parts=(prompt, *attached) if attached else ())


def _check_keys(body: Mapping[str, Any]) -> None:
    refused = sorted(key[:100] for key in body if key != "messages" and key not in IGNORED_KEYS)
    if refused:
        raise InvalidInput(
            f"{refused[0]!r} is not allowed in a chat body, since the agent says where and how it runs; allowed are "
            f"messages, and without effect: {', '.join(sorted(IGNORED_KEYS))}"
        )


def chat_messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages of a chat body. Raises InvalidInput that names the one that is wrong."""
    values = body.get("messages")
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
    content, parts = _content(value.get("content"), place, may_be_empty=bool(calls))
    if parts and role != "user":
        raise InvalidInput(f"{place}.content: images and files stand in messages of role user alone")
    answered = value.get("tool_call_id")
    if (role == "tool") is not isinstance(answered, str):
        raise InvalidInput(f"{place}.tool_call_id must be a text on messages of role tool, and on no other")
    return Message(role, content, calls, answered, parts)


def _content(value: Any, place: str, *, may_be_empty: bool) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a message, and its parts where it has images or files; texts alone are joined."""
    if isinstance(value, str):
        return value, ()
    if value is None and may_be_empty:
        return "", ()
    if not isinstance(value, list) or not value:
        raise InvalidInput(f"{place}.content must be a text, or a list of parts of type {_PART_TYPES}")
    parts = tuple(_part(part, f"{place}.content[{index}]") for index, part in enumerate(value))
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts), () if len(texts) == len(parts) else parts


def _part(part: Any, place: str) -> Part:
    """Return a part of OpenAI's chat messages; files by their id are the provider's own and mean nothing here.

    https://platform.openai.com/docs/api-reference/chat/create
    """
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image_url", "image_url": {"url": url, **more}}:
            return _image(url, more, f"{place}.image_url")
        case {"type": "file", "file": {"file_data": url, **more}}:
            name = more.get("filename", "")
            return url_part(url, f"{place}.file.file_data", name=name if isinstance(name, str) else "")
    raise InvalidInput(f"{place} must be a part of type {_PART_TYPES}")


def _image(url: Any, more: Mapping[Any, Any], place: str) -> ImagePart | FilePart:
    check_url(url, f"{place}.url")
    detail = more.get("detail", "auto")
    if detail not in ("auto", "low", "high"):
        raise InvalidInput(f"{place}.detail must be auto, low or high")
    return ImagePart(url, "" if detail == "auto" else detail)


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
