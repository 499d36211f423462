"""Requests and answers as they stand in the JSON of the Messages API.

Fields: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Mapping
from typing import Any

import orjson

from agents.llm.errors import BilledError
from agents.llm.http.messages import clean_message
from agents.llm.structured import with_schema_instructions
from agents.llm.tokens import estimate_usage
from agents.llm.types import MOST_TOKENS, Completion, CompletionRequest, ToolCall, ToolSpec, Usage
from workers.errors import ErrorCode, WorkError

from .errors import error_of_event
from .limits import told_headers
from .messages import REPLAY_KEY, REPLAY_MODEL_KEY, build_turns, system_prompt
from .models import abilities
from .parameters import body_fields, uses_sampling
from .schema import enforceable

# What the SDK's version speaks. It refuses temperature, top_p and top_k, even at their defaults; the models that still
# take them take them by the version before, alone.
# https://platform.claude.com/docs/en/api/migration-2026-10-21
API_VERSION = "2026-10-21"
_SAMPLING_VERSION = "2023-06-01"
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    # Nothing else ends an answer before its own end.
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
}
_THOUGHTS = ("thinking", "redacted_thinking")
# What of the usage is read.
COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "output_tokens_details",
)


def api_version(request: CompletionRequest) -> str:
    """Return the version of the API that takes `request`, for the header `anthropic-version`."""
    return _SAMPLING_VERSION if uses_sampling(request.parameters) else API_VERSION


def request_body(request: CompletionRequest, *, stream: bool) -> dict[str, Any]:
    """Return the body of the call; the agent's parameters cannot change what Arboretum fills in."""
    messages, form = request.messages, None
    if request.output_schema is not None:
        form = enforceable(request.output_schema) if abilities(request.model).has_schemas else None
        messages = messages if form is not None else with_schema_instructions(messages, request.output_schema)
    body = body_fields(request.model, request.parameters, has_tools=bool(request.tools))
    body["model"] = request.model
    body["messages"] = build_turns(messages, request.model)
    system = system_prompt(messages)
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if form is not None:
        body["output_config"] = {**body.get("output_config", {}), "format": {"type": "json_schema", "schema": form}}
    if stream:
        body["stream"] = True
    return body


def parse_completion(
    message: Mapping[str, Any], headers: Mapping[str, str], request: CompletionRequest, secret: str
) -> Completion:
    """Return the answer in `message`. Raises WorkError for an error reported in it, and where it holds no answer."""
    if message.get("error"):
        raise error_of_event(message["error"], secret)
    content = message.get("content")
    if not isinstance(content, list):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds no content")
    blocks = [block for block in content if isinstance(block, dict)]
    text = _joined(blocks, "text", "")
    calls = tuple(_tool_call(block) for block in blocks if block.get("type") == "tool_use")
    thoughts = _joined(blocks, "thinking", "\n\n")
    usage = parse_usage(message.get("usage")) or estimate_usage(request, text + thoughts, calls)
    reason = str(message.get("stop_reason") or "end_turn")
    if reason == "refusal":
        raise _refused(message.get("stop_details"), usage, secret)
    return Completion(
        text=text,
        tool_calls=calls,
        usage=usage,
        finish_reason=_FINISH_REASONS.get(reason) or clean_message(reason[:50], ""),
        model=str(message.get("model") or request.model),
        request_id=clean_message(str(headers.get("request-id") or message.get("id") or ""), ""),
        rate_limits=told_headers(headers),
        reasoning=thoughts,
        replay=_replay(blocks, request.model),
    )


def parse_usage(usage: Any) -> Usage | None:
    """Return the tokens that the API counted, at most MOST_TOKENS each; None where it says nothing usable.

    It counts the input outside its cache, written to it and read from it apart; ours is all three.
    """
    if not isinstance(usage, dict):
        return None
    fresh, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if fresh is None or output is None:
        return None
    read = _count(usage, "cache_read_input_tokens") or 0
    total = fresh + read + (_count(usage, "cache_creation_input_tokens") or 0)
    details = usage.get("output_tokens_details")
    thought = _count(details, "thinking_tokens") if isinstance(details, dict) else None
    return Usage(min(total, MOST_TOKENS), output, cached_tokens=read, reasoning_tokens=min(thought or 0, output))


def _count(counts: dict[str, Any], name: str) -> int | None:
    value = counts.get(name)
    # True is no count.
    return min(value, MOST_TOKENS) if type(value) is int and value >= 0 else None


def _joined(blocks: list[dict[str, Any]], kind: str, between: str) -> str:
    """Return the texts of the blocks of `kind`, whose text has the same name."""
    texts = (block.get(kind) for block in blocks if block.get("type") == kind)
    return between.join(text for text in texts if isinstance(text, str) and text)


def _tool_call(block: dict[str, Any]) -> ToolCall:
    if not isinstance(block.get("name"), str) or not block["name"]:
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds a tool call without a name")
    given = block.get("input")
    arguments = given if isinstance(given, str) else written(given or {}).decode()
    return ToolCall(str(block.get("id") or ""), block["name"], arguments)


def written(value: Any) -> bytes:
    """Return a part of an answer as JSON again. Raises WorkError `bad_response` for what is nested without measure."""
    try:
        return orjson.dumps(value)
    except TypeError:
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer is nested too deep") from None


def _replay(blocks: list[dict[str, Any]], model: str) -> dict[str, Any] | None:
    """Return the message for its way back: with thoughts, which are signed, it must come back as it is."""
    if not any(block.get("type") in _THOUGHTS for block in blocks):
        return None
    if any(block.get("type") == "tool_use" and not isinstance(block.get("input"), dict) for block in blocks):
        return None
    written(blocks)
    return {REPLAY_KEY: blocks, REPLAY_MODEL_KEY: model}


def _refused(details: Any, usage: Usage, secret: str) -> BilledError:
    said = details if isinstance(details, dict) else {}
    reasons = [clean_message(str(said[name]), secret) for name in ("category", "explanation") if said.get(name)]
    return BilledError(ErrorCode.CONTENT_POLICY, ": ".join(["the model refused to answer", *reasons]), usage)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
