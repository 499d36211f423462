"""A conversation as the Messages API wants it: a system prompt, and turns of user and assistant that alternate.

https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from agents.llm.http.network import cannot_be_sent
from agents.llm.types import Message, ToolCall

from .parts import content_block

# Of `Message.replay`: the blocks of the message, and the model that thought them, for thoughts are tied to it.
REPLAY_KEY = "anthropic"
REPLAY_MODEL_KEY = "anthropic_model"
# Ids of tools that other providers of a pool made up may hold more.
_NO_ID_SIGN = re.compile(r"[^a-zA-Z0-9_-]")


def system_prompt(messages: Sequence[Message]) -> str:
    """Return the system messages as one text, wherever they stand."""
    return "\n\n".join(message.content for message in messages if message.role == "system" and message.content)


def build_turns(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """Return the other messages as turns for `model`.

    The results of tools and what the user says after them are one turn. Messages without any content are left out,
    since the API refuses them. Raises WorkError `invalid_request` where nothing is left.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        blocks = [] if message.role == "system" else _blocks(message, model)
        role = "assistant" if message.role == "assistant" else "user"
        if blocks and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise cannot_be_sent("no message has any content")
    return turns


def _blocks(message: Message, model: str) -> list[dict[str, Any]]:
    if message.role == "assistant":
        return _replayed(message, model) or [*_content(message), *map(_tool_use, message.tool_calls)]
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": _tool_id(message.tool_call_id or "")}
        return [{**result, "content": _content(message) if message.parts else message.content}]
    return _content(message)


def _content(message: Message) -> list[dict[str, Any]]:
    # The API takes neither images nor files from the assistant.
    parts = message.parts if message.parts and message.role != "assistant" else (message.content,)
    return [block for block in map(content_block, parts) if block is not None]


def _replayed(message: Message, model: str) -> list[dict[str, Any]] | None:
    """Return the message as the API sent it, with its signed thoughts, which must come back unchanged and in order.

    None where it did not send it to `model`, and where the message says or asks something else, or nothing, by now:
    the API takes no turn that ends in a thought.
    """
    replay = message.replay or {}
    blocks = replay.get(REPLAY_KEY)
    if replay.get(REPLAY_MODEL_KEY) != model or not isinstance(blocks, list):
        return None
    if not all(isinstance(block, dict) for block in blocks) or not (message.content or message.tool_calls):
        return None
    said = "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
    asked = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    is_as_sent = said == message.content and asked == [call.id for call in message.tool_calls]
    return [block for block in blocks if block.get("text") != ""] if is_as_sent else None


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": _tool_id(call.id), "name": call.name, "input": _arguments(call.arguments)}


def _tool_id(written: str) -> str:
    return _NO_ID_SIGN.sub("_", written) or "_"


def _arguments(written: str) -> dict[str, Any]:
    """Return the arguments as the object that the API demands, whatever the model wrote."""
    try:
        parsed = orjson.loads(written or "{}")
    except orjson.JSONDecodeError:
        parsed = written
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}
