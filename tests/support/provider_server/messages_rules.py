"""What the Messages API refuses, of what a client could get wrong."""

from collections.abc import Iterator
from typing import Any

from .config import ServerConfig

_FIELDS = frozenset(
    {"model", "messages", "max_tokens", "system", "stream", "tools", "tool_choice", "stop_sequences", "metadata"}
    | {"thinking", "output_config", "service_tier", "cache_control"}
)
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_BLOCKS = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
}
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_SCHEMA = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "format", "minItems"}
    | {"title", "description"}
)


def find_fault(body: dict[str, Any], version: str, config: ServerConfig) -> str | None:
    """Return what the API says to a call with `body` that it refuses; None for one that it takes."""
    return next(_faults(body, version, config), None)


def _faults(body: dict[str, Any], version: str, config: ServerConfig) -> Iterator[str]:
    known = _FIELDS | (_SAMPLING if version == "2023-06-01" else frozenset())
    if version not in ("2023-06-01", "2026-10-21"):
        yield "anthropic-version: header is required"
    yield from (f"{name}: Extra inputs are not permitted" for name in sorted(set(body) - known))
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice may only be specified while providing tools"
    for place, turn in enumerate(body["messages"]):
        yield from (f"messages.{place}.{fault}" for fault in _turn_faults(turn))
    yield from _tool_faults(body["messages"])
    if config.reasoning:
        yield from _thinking_faults(body["messages"], "sig-" + config.reasoning)
    form = body.get("output_config", {}).get("format")
    if form is not None:
        yield from _schema_faults(form["schema"])


def _turn_faults(turn: dict[str, Any]) -> Iterator[str]:
    if turn.get("role") not in _BLOCKS or not turn.get("content"):
        yield "role must be user or assistant, and the content must be non-empty"
        return
    for block in turn["content"]:
        if block.get("type") not in _BLOCKS[turn["role"]]:
            yield f"content: {block.get('type')} is not allowed here"
        elif block["type"] == "text" and not block["text"]:
            yield "content: text content blocks must be non-empty"
        elif block["type"] == "image" and block["source"].get("media_type", _IMAGES[0]) not in _IMAGES:
            yield "content: the media type is not supported"


def _tool_faults(turns: list[dict[str, Any]]) -> Iterator[str]:
    asked: list[str] = []
    for turn in turns:
        results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
        kinds = [block["type"] for block in turn["content"]]
        if sorted(results) != sorted(asked) or "tool_result" in kinds[len(results) :]:
            yield "each tool_use block must have its tool_result at the beginning of the next message"
        asked = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    if asked:
        yield "tool_use ids were found without tool_result blocks immediately after"


def _thinking_faults(turns: list[dict[str, Any]], signature: str) -> Iterator[str]:
    for turn in turns:
        kinds = [block["type"] for block in turn["content"]]
        if "tool_use" in kinds and (kinds[0] != "thinking" or turn["content"][0]["signature"] != signature):
            yield "thinking blocks must remain as they were in the original response"


def _schema_faults(schema: dict[str, Any]) -> Iterator[str]:
    yield from (f"output_config.format.schema: {key} is not supported" for key in sorted(set(schema) - _SCHEMA))
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    nested = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    for node in [*nested, *([schema["items"]] if "items" in schema else [])]:
        yield from _schema_faults(node)
