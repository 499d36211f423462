"""The caller's tools, which a chat describes in another shape.

https://platform.openai.com/docs/guides/function-calling
"""

from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput

_OF_FUNCTION = ("name", "description", "parameters", "strict")


def chat_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return `tools` and `tool_choice` of the chat that stands for `request`, where it has any.

    Where only some of the tools are allowed the others are not shown to the model, which any model understands. Raises
    InvalidInput that begins with the parameter that is wrong.
    """
    tools = _tools(request.get("tools", []))
    choice = request.get("tool_choice")
    match choice:
        case None | "none" | "auto" | "required":
            pass
        case {"type": "function", "name": str(name)}:
            choice = {"type": "function", "function": {"name": name}}
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            tools, choice = _allowed(tools, allowed), mode
        case _:
            raise InvalidInput("tool_choice must be none, auto, required, or an object that names functions of tools")
    found: dict[str, Any] = {"tools": tools} if tools else {}
    return found if choice is None else {**found, "tool_choice": choice}


def _tools(values: Any) -> list[dict[str, Any]]:
    if not isinstance(values, list):
        raise InvalidInput("tools must be a list of tools of type function")
    return [_tool(value, f"tools[{place}]") for place, value in enumerate(values)]


def _tool(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{place} must be an object of type function")
    if value.get("type") != "function":
        raise InvalidInput(f"{place}.type must be function: built-in tools are abilities of agents here")
    return {"type": "function", "function": {name: value[name] for name in _OF_FUNCTION if name in value}}


def _allowed(tools: list[dict[str, Any]], allowed: list[Any]) -> list[dict[str, Any]]:
    names = [one.get("name") for one in allowed if isinstance(one, dict) and one.get("type") == "function"]
    kept = [tool for tool in tools if tool["function"].get("name") in names]
    if len(kept) < max(len(allowed), 1):
        raise InvalidInput("tool_choice.tools must name functions of tools")
    return kept
