"""JSON that satisfies a schema, made from the user's message where that is possible and from a seed elsewhere."""

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from workers.errors import ErrorCode, WorkError

from .prose import cut_at_word, write_prose

_MAX_DEPTH = 32
_MAX_VALUES = 10_000
_EXTRACT_LENGTH = 80
_WORD = re.compile(r"[^\W_]+")
# A longer word also matches its inflections: `refund` counts `refunded`.
_SHORTEST_STEM = 4
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class SchemaAnswer:
    """Writes one answer. Enums of texts go by the words of the message, texts are extracts of it."""

    def __init__(self, message: str, keywords: Mapping[str, Sequence[str]], seed: int, root: Any = None) -> None:
        """Answer to `message`; `keywords` are further words for the options of enums, `root` holds the `$defs`."""
        self._message = message
        self._root = root
        self._words = Counter(_WORD.findall(message.lower()))
        self._keywords = keywords
        self._rng = random.Random(seed)
        self._values = 0

    def value(self, schema: Any, depth: int = 0) -> Any:
        """Return a value that satisfies `schema`. Raises WorkError `invalid_request` where this provider cannot."""
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise _refusal("is too deep or asks for too many values")
        if not isinstance(schema, Mapping):
            return write_prose(self._rng.getrandbits(32), 4)
        if schema.get("$ref") is not None:
            return self.value({**schema, "$ref": None, **self._definition(schema["$ref"])}, depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choose(schema["enum"])
        for name in ("anyOf", "oneOf"):
            if schema.get(name):
                return self.value({**schema, name: None, **schema[name][0]}, depth + 1)
        return self._typed(schema, depth)

    def _definition(self, reference: str) -> Any:
        place, _, name = reference.rpartition("/")
        if place not in ("#/$defs", "#/definitions"):
            raise _refusal(
                "holds a $ref that leads elsewhere than to its $defs, and the simulated provider stays there"
            )
        return self._root[place[2:]][name]

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
        return self._text(schema)

    def _choose(self, options: Sequence[Any]) -> Any:
        scores = [self._score(option) for option in options]
        best = max(scores)
        return self._rng.choice([option for option, score in zip(options, scores, strict=True) if score == best])

    def _score(self, option: Any) -> int:
        if not isinstance(option, str):
            return 0
        return sum(map(self._count, {option.lower(), *map(str.lower, self._keywords.get(option, ()))}))

    def _count(self, phrase: str) -> int:
        words = _WORD.findall(phrase)
        if len(words) > 1 and "_" not in phrase and "-" not in phrase:
            return len(re.findall(rf"\b{re.escape(phrase)}\b", self._message.lower()))
        return sum(self._occurrences(word) for word in words)

    def _occurrences(self, word: str) -> int:
        if len(word) < _SHORTEST_STEM:
            return self._words[word]
        return sum(count for found, count in self._words.items() if found.startswith(word))

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        made = {
            name: self.value(inner, depth + 1)
            for name, inner in properties.items()
            if name in required or self._rng.random() < 0.8
        }
        for name in required:
            if name not in made:
                made[name] = self.value(schema.get("additionalProperties"), depth + 1)
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        low = int(schema.get("minItems", 0))
        high = int(schema.get("maxItems", max(low, 3)))
        if low > _MAX_VALUES:
            raise _refusal("asks for too many values")
        count = self._rng.randint(low, max(low, min(high, max(low, 1) + 2)))
        return [self.value(schema.get("items"), depth + 1) for _ in range(count)]

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> float:
        step: float = schema.get("multipleOf", 1 if whole else 0.01)
        low, high = _bounds(schema, step)
        first, last = math.ceil(low / step), math.floor(high / step)
        value = self._rng.randint(first, max(first, last)) * step
        return value if whole else min(max(round(value, 10), low), high)

    def _text(self, schema: Mapping[str, Any]) -> str:
        known = _FORMATS.get(schema.get("format", ""))
        if known is not None:
            return known
        low = int(schema.get("minLength", 0))
        high = int(schema.get("maxLength", max(low, _EXTRACT_LENGTH)))
        if low > _MAX_VALUES:
            raise _refusal("asks for too long a text")
        text = cut_at_word(" ".join(self._message.split()), min(high, max(low, _EXTRACT_LENGTH)))
        if len(text) < low or not text:
            text = (text + " " + write_prose(self._rng.getrandbits(32), low + 1)).strip()
        return text[:high] if len(text) >= low else text.ljust(low, ".")


def write_answer(schema: Mapping[str, Any], message: str, keywords: Mapping[str, Sequence[str]], seed: int) -> str:
    """Return JSON that satisfies `schema`, as SchemaAnswer makes it. Raises WorkError `invalid_request`."""
    try:
        return orjson.dumps(SchemaAnswer(message, keywords, seed, schema).value(schema)).decode()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise _refusal("is not a valid JSON schema") from None


def broken_answer(schema: Mapping[str, Any] | None) -> Any:
    """Return JSON that breaks `schema`: a list, or an object where the schema wants a list."""
    return {"unexpected": True} if schema and _type_of(schema) == "array" else ["unexpected"]


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _bounds(schema: Mapping[str, Any], step: float) -> tuple[float, float]:
    low = schema.get("minimum")
    high = schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    if low is None:
        low = 0 if high is None or high >= 0 else high - 100 * step
    return low, low + 100 * step if high is None else high


def _refusal(reason: str) -> WorkError:
    return WorkError(ErrorCode.INVALID_REQUEST, f"the output schema {reason}")
