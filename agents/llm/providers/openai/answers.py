"""The parts of an answer that servers write in several ways: tool calls, thoughts, usage, what is to be sent back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.llm.types import MOST_TOKENS, CompletionRequest, ToolCall, Usage
from agents.values import fault_of
from workers.errors import ErrorCode, WorkError

from .dialect import PLAIN, Dialect

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


def tool_call_items(message: Mapping[str, Any]) -> list[Any]:
    """Return the tool calls of a message, as they stand; the older field `function_call` holds a single one."""
    items = message.get("tool_calls")
    if isinstance(items, list) and items:
        return items
    single = message.get("function_call")
    return [{"function": single}] if isinstance(single, dict) else []


def read_tool_calls(items: Iterable[Any], request: CompletionRequest) -> tuple[ToolCall, ...]:
    """Return the tool calls in `items`, each with an id of its own. Raises WorkError for one without a name."""
    return with_ids(tuple(map(_tool_call, items)), request)


def with_ids(calls: tuple[ToolCall, ...], request: CompletionRequest) -> tuple[ToolCall, ...]:
    """Return `calls` as they are where each has an id of its own, else with ids that no call of `request` has."""
    ids = {call.id for call in calls}
    if len(ids) == len(calls) and "" not in ids:
        return calls
    before = sum(len(message.tool_calls) for message in request.messages)
    return tuple(replace(call, id=f"call{before + place:05d}") for place, call in enumerate(calls))


def arguments_text(arguments: Any) -> str:
    """Return the arguments of a tool call as text; some servers send the object in place of its text."""
    if isinstance(arguments, str):
        return arguments
    return written(arguments).decode() if arguments else ""


def written(value: Any) -> bytes:
    """Return a part of an answer as JSON again. Raises WorkError `bad_response` for what is nested without measure."""
    try:
        return orjson.dumps(value)
    except TypeError:
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer is nested too deep") from None


def _tool_call(item: Any) -> ToolCall:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds a tool call without a name")
    return ToolCall(str(item.get("id") or ""), function["name"], arguments_text(function.get("arguments")) or "{}")


def reasoning_text(message: Mapping[str, Any]) -> str:
    """Return what the model thought, as servers tell it: in a field of its own, or in parts of type `thinking`."""
    for name in _THOUGHTS:
        thought = message.get(name)
        if thought:
            return thought if isinstance(thought, str) else ""
    content = message.get("content")
    return "".join(map(_thinking_part, content)) if isinstance(content, list) else ""


def _thinking_part(part: Any) -> str:
    """Return the thought in a part as Mistral's reasoning models write it: https://docs.mistral.ai/capabilities/reasoning."""
    thought = part.get("thinking") if isinstance(part, dict) else None
    if isinstance(thought, list):
        texts = (item.get("text") for item in thought if isinstance(item, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return thought if isinstance(thought, str) else ""


def read_replay(message: Mapping[str, Any], items: Sequence[Any], dialect: Dialect) -> dict[str, dict[str, Any]] | None:
    """Return what the server wants back with this message, under the provider's name; None where there is nothing.

    What could not be stored (nested too deeply, characters that no database takes) is nothing, too.
    """
    kept = {name: message[name] for name in dialect.replayed if message.get(name)}
    calls = [
        {name: item[name] for name in dialect.replayed_of_calls if item.get(name)} if isinstance(item, dict) else {}
        for item in (items if dialect.replayed_of_calls else ())
    ]
    found = ({"message": kept} if kept else {}) | ({"calls": calls} if any(calls) else {})
    return {dialect.provider: found} if found and fault_of(found) is None else None


def find_usage(parsed: Mapping[str, Any], dialect: Dialect) -> Any:
    """Return what an answer or an event says of usage, from where the server puts it; None where it says nothing."""
    for path in dialect.usage_paths:
        found: Any = parsed
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found:
            return found
    return None


def parse_usage(usage: Any, dialect: Dialect = PLAIN) -> Usage | None:
    """Return the tokens that the provider counted, at most MOST_TOKENS each; None where it says nothing usable.

    The output holds the thoughts, which are billed as such, also where the server counts them in its total alone.
    """
    if not isinstance(usage, dict):
        return None
    sent, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens", 0))
    if sent is None or answered is None:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        # DeepSeek's name of it: https://api-docs.deepseek.com/guides/kv_cache
        cached = _count(usage.get("prompt_cache_hit_tokens"))
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    reasoning = reasoning or 0
    beside = (_count(usage.get("total_tokens")) or 0) - sent - answered
    if beside > 0 and (dialect.thoughts_beside_output or beside == reasoning):
        answered, reasoning = answered + beside, max(reasoning, beside)
    return Usage(sent, answered, min(cached or 0, sent), min(reasoning, answered))


def _detail(usage: dict[str, Any], group: str, name: str) -> int | None:
    details = usage.get(group)
    return _count(details.get(name)) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    """Return `value` where it is a count of tokens, at most MOST_TOKENS; true is none."""
    return min(value, MOST_TOKENS) if type(value) is int and value >= 0 else None
