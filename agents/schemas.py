"""Output schemas: what may be one, and a model's answer read against it.

Both sides are hostile: a schema is a user's, an answer is a model's. Nothing is fetched (no remote `$ref`), patterns
are matched in linear time, and depth, size and the references followed are bounded.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Never

import orjson
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from agents.llm.structured import extract_json
from agents.patterns import compiled
from agents.schema_keywords import DATA_KEYWORDS, UNSUPPORTED, TooMuchWork, fresh_budget, validator_class
from agents.values import MAX_DEPTH, fault_of
from workers.errors import ErrorCode, InvalidInput, WorkError

MAX_SCHEMA_BYTES = 256 * 1024
_SHOWN_CHARACTERS = 300
# What a value of a schema's type begins with.
_OPENING = {"object": "{", "array": "["}


class OutputSchema:
    """A compiled JSON schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile a schema that `check_schema` has accepted."""
        # An empty registry knows no way to fetch anything.
        self._validator: Any = validator_class(schema)(schema, registry=Registry())

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with `value` and where (`$.items[2].price: ...`); None where it fits."""
        try:
            with fresh_budget():
                error = best_match(self._validator.iter_errors(value))
        except (RecursionError, TooMuchWork):
            return "$: the schema refers to itself too often for this value"
        except (Unresolvable, ValueError, ArithmeticError) as failure:
            return f"$: the schema cannot be applied: {_short(str(failure))}"
        return f"{error.json_path}: {_short(error.message)}" if error else None


def compiled_schema(schema: Mapping[str, Any]) -> OutputSchema:
    """Return `schema` compiled, from a cache: a batch reads every answer against the same one."""
    return _from_json(orjson.dumps(schema))


def check_schema(schema: Any, field: str = "output_schema") -> None:
    """Raise InvalidInput naming `field` unless `schema` is a JSON schema that can be applied within bounds.

    The draft is the one that `$schema` names, else 2020-12 (https://json-schema.org/draft/2020-12).
    """
    if not isinstance(schema, dict):
        raise InvalidInput(f"{field} must be a JSON object")
    if fault := fault_of(schema):
        raise InvalidInput(f"{field} at {fault}")
    if (size := len(orjson.dumps(schema))) > MAX_SCHEMA_BYTES:
        raise InvalidInput(f"{field} has {size} bytes; at most {MAX_SCHEMA_BYTES} are allowed")
    try:
        validator_class(schema).check_schema(schema)
        _check_keywords(schema, schema)
    except SchemaError as error:
        raise InvalidInput(f"{field} at {error.json_path}: {_short(error.message)}") from None
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}") from None


def parse_output(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the JSON of a model's answer; prose, fences and thoughts around an object or array are left out.

    Raises WorkError SCHEMA_MISMATCH that names the place where the answer is no JSON or does not fit `schema`.
    """
    try:
        value = _json_in(text, schema)
    except json.JSONDecodeError as error:
        raise _mismatch(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:
        raise _mismatch(f"is not JSON: {_short(str(error))}") from None
    except RecursionError:
        raise _mismatch(f"is nested deeper than {MAX_DEPTH} levels") from None
    problem = fault_of(value) or _problem(value, schema)
    if problem:
        raise _mismatch(f"does not fit the output schema at {problem}")
    return value


def _problem(value: Any, schema: Mapping[str, Any]) -> str | None:
    try:
        return compiled_schema(schema).problem(value)
    except InvalidInput as error:
        return f"$: the schema cannot be applied: {_short(str(error))}"


@lru_cache(maxsize=256)
def _from_json(schema_json: bytes) -> OutputSchema:
    return OutputSchema(orjson.loads(schema_json))


def _check_keywords(node: Any, root: Mapping[str, Any]) -> None:
    """Refuse early, with a clear message, what validation would only find when it comes across it."""
    children = node if isinstance(node, list) else []
    if isinstance(node, dict):
        for name, value in node.items():
            _check_keyword(name, value, root)
        children = [value for name, value in node.items() if name not in DATA_KEYWORDS]
    for child in children:
        _check_keywords(child, root)


def _check_keyword(name: str, value: Any, root: Mapping[str, Any]) -> None:
    if name in UNSUPPORTED:
        raise InvalidInput(f"'{name}' is not supported")
    if name == "pattern" and isinstance(value, str):
        compiled(value)
    if name == "$ref" and isinstance(value, str):
        _check_reference(value, root)


def _check_reference(reference: str, root: Mapping[str, Any]) -> None:
    if not reference.startswith("#"):
        raise InvalidInput(f"$ref '{reference}' must stay within the schema: it begins with '#'")
    specification: Specification[Any] = DRAFT202012
    resource = specification.create_resource(root)
    base = resource.id() or ""
    try:
        Registry().with_resource(base, resource).resolver(base).lookup(reference)
    except (Unresolvable, ValueError):
        raise InvalidInput(f"$ref '{reference}' points nowhere in the schema") from None


def _json_in(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the JSON that `text` is, else the one that stands in it. Raises ValueError or RecursionError."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        kind = schema.get("type")
        opening = _OPENING.get(kind, "{[") if isinstance(kind, str) else "{["
        return json.loads(extract_json(text, opening), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _mismatch(problem: str) -> WorkError:
    return WorkError(ErrorCode.SCHEMA_MISMATCH, f"The answer {problem}")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
