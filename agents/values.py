"""JSON values as they may be stored and exported, whoever wrote them."""

import math
from typing import Any

# orjson writes at most 254 levels, and a value is stored and exported a few levels down in something else.
MAX_DEPTH = 100
_MAX_INTEGER = 2**63

Path = tuple[Any, ...]


def fault_of(value: Any) -> str | None:
    """Return why `value` cannot be kept as JSON, and where: `$.items[2].name: holds a NUL character`; None if it can.

    PostgreSQL stores neither NUL nor lone surrogates, JSON has no NaN, and whole numbers beyond 64 bits lose digits in
    most readers.
    """
    stack: list[tuple[Any, Path, int]] = [(value, (), 0)]
    while stack:
        item, path, depth = stack.pop()
        if isinstance(item, (dict, list, tuple)):
            if depth >= MAX_DEPTH:
                return f"$: nested deeper than {MAX_DEPTH} levels"
            children = item.items() if isinstance(item, dict) else enumerate(item)
            for key, child in children:
                if isinstance(item, dict) and (fault := text_fault(key)):
                    return f"{_shown(_keys(path))}: a name {fault}"
                stack.append((child, (path, key), depth + 1))
        elif fault := _scalar_fault(item):
            return f"{_shown(_keys(path))}: {fault}"
    return None


def text_fault(text: Any) -> str | None:
    """Return why `text` cannot be stored as text; None if it can."""
    if not isinstance(text, str):
        return f"is {type(text).__name__}, not text"
    if "\x00" in text:
        return "holds a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "holds half a surrogate pair, which is no character"
    return None


def _scalar_fault(item: Any) -> str | None:
    if isinstance(item, str):
        return text_fault(item)
    if item is None or isinstance(item, bool):
        return None
    if isinstance(item, int):
        return None if -_MAX_INTEGER <= item < _MAX_INTEGER * 2 else "a whole number of more than 64 bits"
    if isinstance(item, float):
        return None if math.isfinite(item) else "not a finite number"
    return f"{type(item).__name__} is not JSON"


def _keys(path: Path) -> list[Any]:
    """Return the keys from the root of a linked path `(parent path, key)`."""
    keys: list[Any] = []
    while path:
        path, key = path
        keys.append(key)
    return keys[::-1]


def _shown(keys: Any) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
