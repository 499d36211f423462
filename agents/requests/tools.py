"""The caller's own tools in a request: shown to a plain model, whose calls of them are the answer.

https://platform.openai.com/docs/api-reference/chat/create
"""

import re
from typing import Any

from agents.llm.types import ToolSpec
from agents.values import fault_of
from workers.errors import InvalidInput

MOST_TOOLS = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


def read_tools(values: Any) -> tuple[ToolSpec, ...]:
    """Return the tools in the list `tools` of a body. Raises InvalidInput that names the one that is wrong."""
    if not isinstance(values, list):
        raise InvalidInput("tools must be a list of tools of type function")
    if len(values) > MOST_TOOLS:
        raise InvalidInput(f"tools holds {len(values)} tools; at most {MOST_TOOLS} are allowed")
    tools = tuple(_tool(value, f"tools[{place}]") for place, value in enumerate(values))
    names = [tool.name for tool in tools]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidInput(f"tools names the function '{twice}' twice")
    return tools


def _tool(value: Any, place: str) -> ToolSpec:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict) or value.get("type", "function") != "function":
        raise InvalidInput(f"{place} must be an object of type function, with its function")
    name, described = function.get("name"), function.get("description")
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidInput(f"{place}.function.name must be 1 to 64 letters, digits, '_' and '-'")
    if described is not None and not isinstance(described, str):
        raise InvalidInput(f"{place}.function.description must be a text")
    strict = function.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise InvalidInput(f"{place}.function.strict must be true or false")
    return ToolSpec(name, described or "", _parameters(function.get("parameters"), place), strict)


def _parameters(value: Any, place: str) -> dict[str, Any]:
    if value is None:
        return {"type": "object", "properties": {}}
    if not isinstance(value, dict):
        raise InvalidInput(f"{place}.function.parameters must be a JSON schema, which is an object")
    if fault := fault_of(value):
        raise InvalidInput(f"{place}.function.parameters at {fault}")
    return value
