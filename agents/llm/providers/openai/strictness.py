"""Which schemas OpenAI's servers take, and which they may be asked to enforce.

https://platform.openai.com/docs/guides/structured-outputs#supported-schemas. A schema beyond that is answered with 400,
in every call.
"""

from collections.abc import Mapping
from typing import Any

# Keywords that strict schemas may not hold.
_REFUSED = frozenset(
    {
        "allOf",
        "contains",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "not",
        "oneOf",
        "prefixItems",
        "propertyNames",
        "then",
        "uniqueItems",
    }
)
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
# One of these says what a value is.
_KINDS = ("type", "anyOf", "$ref", "enum", "const")
_DEFINITIONS = ("$defs", "definitions")
# Beside a reference nothing else may stand, but for what belongs to the whole schema.
_BESIDE_REFERENCES = frozenset({"$ref", "$schema", "$id", *_DEFINITIONS})


def is_of_an_object(schema: Mapping[str, Any]) -> bool:
    """Tell whether `schema` asks for an object, as the outermost value has to be."""
    return schema.get("type") == "object" and "anyOf" not in schema


def is_strict(schema: Any) -> bool:
    """Tell whether the server may be asked to enforce `schema`.

    All objects in it, those of its definitions too, are closed and require all their fields, and it holds nothing that
    strict schemas may not.
    """
    if not isinstance(schema, dict) or _REFUSED & schema.keys() or not any(name in schema for name in _KINDS):
        return False
    if "$ref" in schema and not schema.keys() <= _BESIDE_REFERENCES:
        return False
    if schema.get("format", "date") not in _FORMATS or not _is_closed(schema):
        return False
    return all(map(is_strict, _children(schema)))


def _is_closed(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind) and "properties" not in schema:
        return True
    fields, required = schema.get("properties", {}), schema.get("required", [])
    return schema.get("additionalProperties") is False and isinstance(required, list) and set(required) == set(fields)


def _children(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas within `schema`, as far as strict ones may hold any.

    Older drafts leave it open what stands in some of the keywords: what is no schema is returned as it is.
    """
    found = [schema["items"]] if "items" in schema else []
    for name in ("properties", *_DEFINITIONS, "anyOf"):
        group = schema.get(name, ())
        if isinstance(group, dict):
            found += group.values()
        else:
            found += group if isinstance(group, (list, tuple)) else [group]
    return found
