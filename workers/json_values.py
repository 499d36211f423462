"""JSON values as they may be stored: no NUL, no number that would lose digits, no key twice, not too deep."""

import json
import re
from typing import Any, NamedTuple

MAX_DEPTH = 100
# The escape of U+0000, and not an escaped backslash before the letters u0000.
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# A double keeps 17 significant digits at most (IEEE 754); fewer characters cannot lose any.
_LONG_NUMBER = re.compile(rb"[\d.]{18}")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
# An empty object takes 64 bytes of memory and more, for two of text. No model takes a request of so many.
MOST_CONTAINERS = 1_000_000


class Survey(NamedTuple):
    """What a walk through a value found: keys of its objects, deepest nesting, and whether it holds a float."""

    keys: int
    depth: int
    has_float: bool


def survey(value: Any) -> Survey:
    """Walk through a JSON value, without recursion since it may be nested to annoy. A scalar has depth 0."""
    keys, deepest, has_float = 0, 0, False
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, dict):
            keys += len(item)
            children = list(item.values())
        elif isinstance(item, list):
            children = item
        else:
            has_float = has_float or isinstance(item, float)
            continue
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in children)
    return Survey(keys, deepest, has_float)


def is_too_full(raw: bytes) -> bool:
    """Whether JSON text has so many objects and lists that it would take far more memory parsed than it does as text.

    Brackets within texts count, too: only parsing would tell them apart.
    """
    return len(raw) > MOST_CONTAINERS and raw.count(b"{") + raw.count(b"[") > MOST_CONTAINERS


def has_nul(raw: bytes) -> bool:
    """Whether JSON text holds the escape of a NUL character."""
    return b"\\u0000" in raw and _NUL_ESCAPE.search(raw) is not None


def may_repeat_key(raw: bytes, keys: int) -> bool:
    """Whether an object of `keys` distinct keys, parsed from the one line `raw`, may have had a key twice.

    Every key is followed by a colon, straight after its quote or after a space; where no more colons stand in such
    places than there are keys, none was lost. Text can look like a key, so True only asks for a closer look.
    """
    return raw.count(b'":') + raw.count(b" :") + raw.count(b"\t:") + raw.count(b"\r:") != keys


def may_lose_digits(raw: bytes) -> bool:
    """Whether `raw` holds a run of digits that is too long for a double; a long word of digits looks the same."""
    return _LONG_NUMBER.search(raw) is not None


class _Refused(ValueError):
    pass


def strict_reason(raw: bytes) -> str | None:
    """Parse valid JSON again, slowly; return why to refuse it: a key twice, or a number that loses digits."""
    try:
        json.loads(raw, object_pairs_hook=_distinct, parse_int=_whole, parse_float=_decimal)
    except _Refused as error:
        return str(error)
    return None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Refused(f"the key {key!r} occurs twice in one object")
        found[key] = value
    return found


def _whole(text: str) -> int:
    # int() refuses more than 4,300 digits, so the length is looked at first.
    if len(text) > 20 or not _SMALLEST <= int(text) <= _LARGEST:
        raise _Refused(f"the number {text:.40} does not fit into 64 bits; write it in quotes to keep its digits")
    return int(text)


def _decimal(text: str) -> float:
    digits = re.split("[eE]", text)[0].replace(".", "").replace("-", "").strip("0")
    if len(digits) > 17:
        raise _Refused(f"the number {text:.40} has more than 17 digits; write it in quotes to keep them")
    return float(text)
