"""A conversation as it stands in the JSON of chat completions, in a server's dialect."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from agents.llm.types import FilePart, ImagePart, Message, Part, ToolCall
from workers.errors import ErrorCode, WorkError

from .dialect import Dialect, Sources

_CALL_ID = re.compile(r"[A-Za-z0-9]+", re.ASCII)


def wire_message(message: Message, dialect: Dialect, model: str) -> dict[str, Any]:
    """Return one message. Raises WorkError `invalid_request` for a part that the server does not take."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        wire["content"] = [_part(part, dialect, model) for part in message.parts]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = _call_id(message.tool_call_id, dialect)
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [_tool_call(call, dialect) for call in message.tool_calls]
    if message.replay and (replay := message.replay.get(dialect.provider)):
        _replay(wire, replay, dialect)
    elif message.tool_calls and (unsigned := dialect.rule(model).unsigned_call):
        wire["tool_calls"] = [{**call, **unsigned} for call in wire["tool_calls"]]
    return wire


def _replay(wire: dict[str, Any], replay: Mapping[str, Any], dialect: Dialect) -> None:
    """Put back what the server gave with this message; nothing but the fields that its dialect names."""
    kept = replay.get("message", {})
    wire.update((name, kept[name]) for name in dialect.replayed if name in kept)
    for call, extra in zip(wire.get("tool_calls", ()), replay.get("calls", ()), strict=False):
        call.update((name, extra[name]) for name in dialect.replayed_of_calls if name in extra)


def _tool_call(call: ToolCall, dialect: Dialect) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": _call_id(call.id, dialect), "type": "function", "function": function}


def _call_id(given: str, dialect: Dialect) -> str:
    """Return `given` where the server takes it, else an id that follows from it alone."""
    length = dialect.call_id_length
    if not length or (len(given) == length and _CALL_ID.fullmatch(given)):
        return given
    return blake2b(given.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _part(part: Part, dialect: Dialect, model: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, ImagePart):
        _check_source("images", part.url, dialect.images_of(model), model)
        image = {"url": part.url, "detail": part.detail} if part.detail else {"url": part.url}
        return {"type": "image_url", "image_url": image}
    _check_source("files", part.url, dialect.files, model)
    return _file(part, dialect)


def _file(part: FilePart, dialect: Dialect) -> dict[str, Any]:
    if dialect.file_form == "document_url":
        return {"type": "document_url", "document_url": part.url, "document_name": part.name}
    return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _check_source(what: str, url: str, allowed: Sources, model: str) -> None:
    if allowed == "none":
        raise WorkError(ErrorCode.INVALID_REQUEST, f"{model} takes no {what} at this provider")
    if allowed == "data" and url[:5].lower() != "data:":
        raise WorkError(ErrorCode.INVALID_REQUEST, f"this provider takes {what} as data: URLs alone, not by address")
