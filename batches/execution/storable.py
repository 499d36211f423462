"""Text that both databases can store, from text that a model wrote."""

from typing import Any

import orjson

_REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """Return `text` with NUL and lone surrogates, which PostgreSQL cannot store, as U+FFFD."""
    cleaned = text.replace("\x00", _REPLACEMENT)
    if cleaned.isascii():
        return cleaned
    return cleaned.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def storable_json(value: Any) -> str:
    """Return `value` (JSON) as JSON text that jsonb accepts."""
    text = orjson.dumps(value).decode()
    # orjson writes NUL as \u0000, which jsonb refuses; so seldom that the walk is worth its simplicity.
    return orjson.dumps(_cleaned(value)).decode() if "\\u0000" in text else text


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list():
            return [_cleaned(item) for item in value]
        case dict():
            return {storable(key): _cleaned(item) for key, item in value.items()}
        case _:
            return value
