"""Output schemas that the API can enforce.

It takes a part of JSON schema: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, and the SDK's
`lib/_parse/_transform.py`. What it cannot enforce is told in a description, for the model to heed; Arboretum validates
the answer against the whole schema in any case.
"""

from collections.abc import Mapping
from typing import Any

import orjson

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})
_DEFINITIONS = ("$defs", "definitions")
_KEPT = ("title", "description")
# The API's own bounds of one schema: fields that may be left out, and fields of several types.
_MOST_OPTIONAL = 24
_MOST_UNIONS = 16
_DEEPEST = 50
# Twenty definitions of two references each, written out, would be a million; each call would send them all.
_MOST_NODES = 2_000


class _Impossible(Exception):
    """The API cannot enforce the schema."""


def enforceable(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `schema` as the API takes it, each object closed; None where it cannot say what `schema` says.

    That is: open objects, fields of any type, references outside the schema or in a circle, or too much of it.
    """
    try:
        return _Translation(schema).root()
    except _Impossible:
        return None


class _Translation:
    """One schema on its way."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._optional = 0
        self._unions = 0
        self._nodes = 0
        self._open: list[str] = []

    def root(self) -> dict[str, Any]:
        """Return the whole, its references written out."""
        return self._node({key: value for key, value in self._schema.items() if key not in ("$schema", "$id")}, 0)

    def _node(self, node: Any, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if not isinstance(node, Mapping) or depth > _DEEPEST or self._nodes > _MOST_NODES:
            raise _Impossible
        rest = {key: value for key, value in node.items() if key not in _DEFINITIONS}
        if "$ref" in rest:
            return self._referred(rest["$ref"], depth)
        kept = {key: rest.pop(key) for key in _KEPT if isinstance(rest.get(key), str)}
        return _told(self._shape(rest, depth) | kept, rest)

    def _shape(self, rest: dict[str, Any], depth: int) -> dict[str, Any]:
        """Take out of `rest` what can be enforced, and return it."""
        for key in ("enum", "const"):
            if key in rest:
                rest.pop("type", None)
                return {key: rest.pop(key)}
        for key in ("anyOf", "oneOf"):
            if isinstance(rest.get(key), list):
                rest.pop("type", None)
                return self._any_of(rest.pop(key), depth)
        kind = rest.pop("type", None)
        if isinstance(kind, list):
            shared = dict(rest)
            rest.clear()
            return self._any_of([shared | {"type": one} for one in kind], depth)
        if kind == "object":
            return self._object(rest, depth)
        if kind == "array":
            return self._array(rest, depth)
        if kind not in _SCALARS:
            raise _Impossible
        return {"type": kind, **({"format": rest.pop("format")} if _is_format(rest.get("format")) else {})}

    def _any_of(self, choices: list[Any], depth: int) -> dict[str, Any]:
        self._unions += 1
        if self._unions > _MOST_UNIONS or not choices:
            raise _Impossible
        return {"anyOf": [self._node(choice, depth + 1) for choice in choices]}

    def _object(self, rest: dict[str, Any], depth: int) -> dict[str, Any]:
        fields, required = rest.pop("properties", {}), rest.pop("required", [])
        if rest.pop("additionalProperties", False) is not False or not isinstance(fields, Mapping) or not fields:
            raise _Impossible
        self._optional += len(set(fields) - set(required))
        if self._optional > _MOST_OPTIONAL or not set(required) <= set(fields):
            raise _Impossible
        closed = {name: self._node(field, depth + 1) for name, field in fields.items()}
        return {"type": "object", "properties": closed, "required": list(required), "additionalProperties": False}

    def _array(self, rest: dict[str, Any], depth: int) -> dict[str, Any]:
        array: dict[str, Any] = {"type": "array", "items": self._node(rest.pop("items", None), depth + 1)}
        if rest.get("minItems") in (0, 1):
            array["minItems"] = rest.pop("minItems")
        return array

    def _referred(self, reference: Any, depth: int) -> dict[str, Any]:
        """Return what `reference` means, in its place: a circle would have no end."""
        if not isinstance(reference, str) or reference in self._open:
            raise _Impossible
        home, _, name = reference.removeprefix("#/").partition("/")
        definitions = self._schema.get(home) if home in _DEFINITIONS else None
        found = definitions.get(name) if isinstance(definitions, Mapping) else None
        self._open.append(reference)
        node = self._node(found, depth + 1)
        self._open.pop()
        return node


def _is_format(value: Any) -> bool:
    return isinstance(value, str) and value in _FORMATS


def _told(shape: dict[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return `shape` with `rest`, which cannot be enforced, in its description."""
    if not rest:
        return shape
    rules = orjson.dumps(dict(rest)).decode()
    return {**shape, "description": f"{shape.get('description', '')}\n\n{rules}".strip()}
