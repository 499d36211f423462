"""JSON schema keywords with bounded work: our own `pattern`, `uniqueItems` and `$ref` under jsonschema's validators."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from agents.patterns import compiled
from workers.errors import InvalidInput

# References followed while one value is validated. Thirty definitions of two references each make 2^30 otherwise.
MAX_REFERENCES = 20_000
# Their work cannot be bounded that simply, and no provider takes them.
UNSUPPORTED = ("patternProperties", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef")
# Their values are data, not schemas.
DATA_KEYWORDS = ("const", "enum", "default", "examples")

_budget = threading.local()


class TooMuchWork(Exception):
    """The schema sends the validator round in circles."""


@contextmanager
def fresh_budget() -> Iterator[None]:
    """Give the validation inside its own budget of references."""
    _budget.left = MAX_REFERENCES
    yield


def validator_class(schema: Mapping[str, Any]) -> type[Validator]:
    """Return the validator for the draft that `$schema` names, 2020-12 without it. Raises InvalidInput if unknown."""
    draft = schema.get("$schema", Draft202012Validator.META_SCHEMA["$id"])
    found: Any = None
    if isinstance(draft, str):
        found = validators.validator_for({"$schema": draft}, default=cast(Any, None))
    if found is None:
        raise InvalidInput(f"$schema names no JSON schema draft that is known: {draft!r}")
    return _bounded(found)


@lru_cache(maxsize=16)
def _bounded(base: type[Validator]) -> type[Validator]:
    own: dict[str, Any] = {"$ref": _ref, "pattern": _pattern, "uniqueItems": _unique_items}
    own |= dict.fromkeys(UNSUPPORTED, _unsupported)
    extend: Any = validators.extend
    return cast(type[Validator], extend(base, own))


def _ref(validator: Any, reference: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    _budget.left -= 1
    if _budget.left < 0:
        raise TooMuchWork
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema) or ()


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compiled(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique and isinstance(instance, list):
        seen = {json.dumps(_canonical(item), sort_keys=True) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("the array holds equal items")


def _unsupported(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    raise InvalidInput(f"the schema uses one of {', '.join(UNSUPPORTED)}, which are not supported")


def _canonical(value: Any) -> Any:
    """Return `value` with 1.0 written as 1: JSON schema calls them equal."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return {key: _canonical(item) for key, item in value.items()} if isinstance(value, dict) else value
