"""The output schema that fits examples of answers: types from genson, and what makes a schema worth enforcing."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from genson import SchemaBuilder
from genson.schema.node import SchemaGenerationError
from genson.schema.strategies import Object, String

from agents.values import MAX_DEPTH, fault_of
from workers.errors import InvalidInput

# A text becomes an enum where it was seen this often, with no more different values than that, and each of them twice
# or more. Values seen only once say how much has not been seen yet: the next answer is a new one with about the
# probability (seen once) / (seen in all) (I. J. Good, Biometrika 40, 1953).
LEAST_SEEN = 10
MOST_OPTIONS = 20
LONGEST_OPTION = 100


class _Text(String):  # type: ignore[misc]
    """Texts, with their values as long as they may make an enum."""

    KEYWORDS = (*String.KEYWORDS, "enum")

    def __init__(self, node_class: Any) -> None:
        super().__init__(node_class)
        self._counts: Counter[str] = Counter()
        self._is_open = False

    def add_object(self, obj: str) -> None:
        if self._is_open:
            return
        self._counts[obj] += 1
        self._is_open = len(obj) > LONGEST_OPTION or len(self._counts) > MOST_OPTIONS

    def to_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = super().to_schema()
        if not self._is_open and self._counts.total() >= LEAST_SEEN and min(self._counts.values()) > 1:
            schema["enum"] = sorted(self._counts)
        return schema


class _ClosedObject(Object):  # type: ignore[misc]
    """Objects that hold what was seen and nothing else; required is what every example has, in its order."""

    KEYWORDS = (*Object.KEYWORDS, "additionalProperties")

    def to_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = super().to_schema()
        required = set(schema.get("required", ()))
        schema["required"] = [name for name in schema.get("properties", {}) if name in required]
        return schema | {"additionalProperties": False}


class _Builder(SchemaBuilder):  # type: ignore[misc]
    EXTRA_STRATEGIES = (_Text, _ClosedObject)


def schema_of_examples(examples: Iterable[Any]) -> dict[str, Any]:
    """Return the schema that all `examples` (JSON values) fit.

    Objects are closed, a field is required where every example has it, a field that is sometimes null may be null, and
    a text with few values over many examples is an enum (LEAST_SEEN, MOST_OPTIONS). Raises InvalidInput where there is
    no example, or one is not JSON.
    """
    builder = _Builder(schema_uri=None)
    count = 0
    for count, example in enumerate(examples, 1):
        if fault := fault_of(example):
            raise InvalidInput(f"example {count} at {fault}")
        try:
            builder.add_object(example)
        except SchemaGenerationError:
            raise InvalidInput(f"example {count} holds what JSON has no name for, such as a tuple") from None
    if not count:
        raise InvalidInput("There is no example to infer a schema from.")
    try:
        schema: dict[str, Any] = builder.to_schema()
    except RecursionError:
        raise InvalidInput(f"The examples are nested deeper than {MAX_DEPTH // 2} levels.") from None
    return schema
