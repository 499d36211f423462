"""How long an answer in an output schema is likely to be: its keys, and a usual value for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

# Characters of a value of which the schema says no more than its type. Ours: names and categories are shorter,
# sentences longer.
_USUAL = {"string": 40.0, "integer": 3.0, "number": 5.0, "boolean": 5.0, "null": 4.0}
_USUAL_ITEMS = 3
# What lies deeper, or refers to itself, counts as a usual text.
_DEEPEST = 8
_QUOTES = 2
# A quote on either side of the name, the colon and the comma.
_AROUND_A_NAME = 4


def answer_characters(schema: Mapping[str, Any]) -> float:
    """Return about how many characters an answer in `schema` has, written as compact JSON."""
    return _size(schema, schema, 0)


def _size(schema: Any, root: Mapping[str, Any], depth: int) -> float:
    if depth > _DEEPEST or not isinstance(schema, Mapping):
        return _USUAL["string"]
    if "const" in schema:
        return _written(schema["const"])
    if values := _listed(schema.get("enum")):
        return sum(map(_written, values)) / len(values)
    if isinstance(schema.get("$ref"), str):
        return _size(_referred(root, schema["$ref"]), root, depth + 1)
    for several in ("anyOf", "oneOf"):
        if choices := _listed(schema.get(several)):
            return sum(_size(choice, root, depth + 1) for choice in choices) / len(choices)
    return _size_of_type(schema, root, depth)


def _size_of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> float:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if kind == "object":
        properties = schema.get("properties")
        named = properties.items() if isinstance(properties, Mapping) else ()
        return _QUOTES + sum(len(name) + _AROUND_A_NAME + _size(value, root, depth + 1) for name, value in named)
    if kind == "array":
        number = _bounded(_USUAL_ITEMS, schema.get("minItems"), schema.get("maxItems"))
        return _QUOTES + number * (1 + _size(schema.get("items"), root, depth + 1))
    if kind == "string":
        return _QUOTES + _bounded(_USUAL["string"], schema.get("minLength"), schema.get("maxLength"))
    return _USUAL.get(kind, _USUAL["string"]) if isinstance(kind, str) else _USUAL["string"]


def _bounded(usual: float, least: Any, most: Any) -> float:
    """Return the usual size, or the bound that it breaks."""
    size = max(usual, least) if isinstance(least, int) else usual
    return min(size, most) if isinstance(most, int) else size


def _listed(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list) else ()


def _written(value: Any) -> float:
    return float(len(orjson.dumps(value)))


def _referred(root: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference within the document stands for (RFC 6901), None where it leads nowhere."""
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
