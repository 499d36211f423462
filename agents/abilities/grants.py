"""Grants: how a version names its abilities, e.g. `calculator` or `web_search(max_results=5)`."""

import ast
from dataclasses import dataclass, field
from typing import Any

import orjson

from agents.values import fault_of
from workers.errors import InvalidInput

MAX_GRANT = 500
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Grant:
    """An ability by name, with the settings that the version fixes."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the grant as `parse_grant` reads it back, settings as JSON in order of their names."""
        if not self.settings:
            return self.name
        settings = ", ".join(f"{key}={orjson.dumps(value).decode()}" for key, value in sorted(self.settings.items()))
        return f"{self.name}({settings})"


def parse_grant(text: Any) -> Grant:
    """Return the grant that `text` names. Settings are literals, in the spelling of Python or JSON; nothing is run.

    Raises InvalidInput that shows the form.
    """
    if not isinstance(text, str) or len(text) > MAX_GRANT:
        raise InvalidInput(f"an ability is a text of at most {MAX_GRANT} characters, such as 'calculator'")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return Grant(tree.id)
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.args:
            return Grant(tree.func.id, _settings(tree.keywords))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise InvalidInput(f"ability {text!r} must look like 'calculator' or 'web_search(max_results=5)'")


def _settings(keywords: list[ast.keyword]) -> dict[str, Any]:
    settings = {keyword.arg: _literal(keyword.value) for keyword in keywords if keyword.arg is not None}
    if len(settings) < len(keywords) or fault_of(settings):
        raise ValueError("doubled, starred or unstorable settings")
    return settings


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {_text(key): _literal(value) for key, value in pairs}
    value = ast.literal_eval(node)
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise ValueError("not JSON")
    return value


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError("not a text")
