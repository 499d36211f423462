"""A function's signature and docstring turned into what a model is shown of it.

Positional parameters become the tool's arguments. Keyword-only parameters are settings: whoever grants the ability
fixes them (`web_search(max_results=5)`), the model never sees them. Annotations may be str, int, float, bool, list,
dict, `list[X]`, `dict[str, X]`, Any, Literal of scalars, and unions of these with each other or None. The idea of
taking a tool from signature and docstring is that of simonw/llm.
"""

import inspect
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_JSON_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    type(None): {"type": "null"},
    Any: {},
}
_ARGUMENT = re.compile(r"\s*\*{0,2}(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)")
_SECTION = re.compile(r"(Args|Arguments|Returns|Raises|Yields|Examples?):\s*")


def argument_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of the arguments that the model gives. Raises TypeError for what cannot be described."""
    return _schema(function, lambda kind: kind is not inspect.Parameter.KEYWORD_ONLY)


def setting_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of the settings that the grant may fix."""
    return _schema(function, lambda kind: kind is inspect.Parameter.KEYWORD_ONLY)


def summary(function: Callable[..., Any]) -> str:
    """Return the docstring up to its first section (Args, Returns, ...), on one line per paragraph."""
    lines: list[str] = []
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        if _SECTION.fullmatch(line):
            break
        lines.append(line)
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _schema(function: Callable[..., Any], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    hints, described = get_type_hints(function), _argument_texts(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__name__}: *{name} cannot be described to a model")
        if not wanted(parameter.kind):
            continue
        if name not in hints:
            raise TypeError(f"{function.__name__}: {name} needs an annotation")
        properties[name] = _type_schema(hints[name])
        if name in described:
            properties[name]["description"] = described[name]
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        else:
            properties[name]["default"] = parameter.default
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type_schema(hint: Any) -> dict[str, Any]:
    if hint in _JSON_TYPES:
        return dict(_JSON_TYPES[hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type_schema(argument) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _type_schema(arguments[1])}
    raise TypeError(f"{hint!r} cannot be described to a model")


def _argument_texts(function: Callable[..., Any]) -> dict[str, str]:
    """Return the descriptions under `Args:` in the docstring (Google style), continuation lines joined."""
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    start = next((i for i, line in enumerate(lines) if _SECTION.fullmatch(line) and line.startswith("Arg")), None)
    texts: dict[str, str] = {}
    if start is None:
        return texts
    name, indent = "", None
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith(" "):
            break
        depth = len(line) - len(line.lstrip())
        indent = depth if indent is None else indent
        match = _ARGUMENT.fullmatch(line) if depth == indent else None
        if match:
            name, texts[match[1]] = match[1], match[2].strip()
        elif name:
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    return texts
