"""What must never reach a log: keys, tokens, passwords and prompts are masked in whatever a log line holds."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
LONGEST_TEXT = 20_000
# Deeper values are written as text, masked like any other text.
_DEEPEST = 6

_NAME = r"(?:[\w-]{0,40}[_-])?(?:key|apikey|token|password|passwd|secret|authorization|cookie|prompt)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    # Keys of providers by their usual prefix, and our own tokens (names.md).
    (re.compile(r"\b(?:sk-|arb_)[\w-]{6,}"), MASK),
    # The one-time sign-in link carries its token in the path.
    (re.compile(r"(/sign-in/)[^/\s\"'?]+"), rf"\1{MASK}"),
    (
        re.compile(
            rf"""(["']?\b{_NAME}["']?\s*[=:]\s*)("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&)}}\]]+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def masked_text(text: str) -> str:
    """Return `text` with everything masked that looks like a key, a token, or a named secret (`api_key=...`).

    What is longer than 20,000 characters loses its end: a log is no place for it, and the search takes its time.
    """
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT} more characters)"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def masked(value: Any, depth: int = 0) -> Any:
    """Return `value` as plain JSON-ready data without secrets: by the names of keys, and within text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {str(name): _masked_item(str(name), item, depth) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        return [masked(item, depth + 1) for item in value]
    return masked_text(str(value))


def _masked_item(name: str, value: Any, depth: int) -> Any:
    if _SECRET_NAME.fullmatch(name) and value not in (None, ""):
        return MASK
    return masked(value, depth + 1)


def redact(logger: Any, method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the log event without secrets; a structlog processor, placed last before the renderer."""
    return {name: _masked_item(name, value, 0) for name, value in event.items()}
