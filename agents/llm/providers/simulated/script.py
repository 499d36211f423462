"""The script of tool calls that a simulated model plays back before it answers."""

from collections.abc import Sequence
from typing import Any

import orjson

from agents.llm.parameters import Rule, check_fields, refuse, text
from agents.llm.types import Message, ToolCall
from workers.errors import InvalidInput

Script = tuple[tuple[ToolCall, ...], ...]
"""Steps of tool calls, without ids."""


def parse_script(field: str, value: Any) -> Script:
    """Return the steps of the script `value`: a list whose items are a call, or a list of calls, each.

    A call is `{"name": ..., "arguments": ...}`; arguments are an object, or a text that goes out as it is, valid JSON
    or not. The ids are empty here; `next_calls` gives them. Raises InvalidInput naming `field`.
    """
    if not isinstance(value, list):
        raise refuse(field, "a list of steps", value)
    return tuple(_parse_step(f"{field}[{place}]", step) for place, step in enumerate(value))


def steps_taken(messages: Sequence[Message]) -> int:
    """Return how many steps of tool calls the model has made since the last message of the user."""
    count = 0
    for message in reversed(messages):
        if message.role == "user":
            break
        count += bool(message.tool_calls)
    return count


def next_calls(
    script: Sequence[tuple[ToolCall, ...]], messages: Sequence[Message], prefix: str
) -> tuple[ToolCall, ...]:
    """Return the calls that come next, their ids made from `prefix`; none when the script is through."""
    step = steps_taken(messages)
    if step >= len(script):
        return ()
    return tuple(
        ToolCall(f"call_{prefix}_{step}_{place}", call.name, call.arguments) for place, call in enumerate(script[step])
    )


def _parse_step(field: str, step: Any) -> tuple[ToolCall, ...]:
    calls = step if isinstance(step, list) else [step]
    if not calls:
        raise InvalidInput(f"{field} must hold at least one call")
    return tuple(_parse_call(field, call) for call in calls)


def _parse_call(field: str, call: Any) -> ToolCall:
    check_fields(call, _CALL, field)
    if not call.get("name"):
        raise InvalidInput(f"{field}.name is missing")
    arguments = call.get("arguments", {})
    return ToolCall("", call["name"], arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())


def _arguments(field: str, value: Any) -> None:
    if not isinstance(value, (dict, str)):
        raise refuse(field, "an object or a text", value)


_CALL: dict[str, Rule] = {"name": text, "arguments": _arguments}
