"""Paging by key: a page is asked for by the last key of the one before, so that its cost does not grow with depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.core.exceptions import BadRequest
from django.http import HttpRequest

PAGE_SIZE = 50
# The largest BigAutoField; SQLite raises OverflowError beyond it.
LARGEST_KEY = 2**63 - 1

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class KeyPage(Generic[Row]):
    """The rows of a page. `next_key` asks for the following page; None where this is the last."""

    rows: Sequence[Row]
    next_key: int | None


def key_page(rows: Sequence[Row], key: str, size: int = PAGE_SIZE) -> KeyPage[Row]:
    """Return the page held in `rows`, which were read with one row more than `size`; `key` names their key field."""
    if len(rows) <= size:
        return KeyPage(rows, None)
    shown = rows[:size]
    return KeyPage(shown, getattr(shown[-1], key))


def number_parameter(request: HttpRequest, name: str) -> int | None:
    """Return the query's parameter `name` as a number from 0; None where it is absent. Raises BadRequest."""
    text = request.GET.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > LARGEST_KEY:
        raise BadRequest(f"{name} must be a whole number.")
    return int(text)


def choice_parameter(request: HttpRequest, name: str, allowed: Sequence[str]) -> str | None:
    """Return the query's parameter `name`; None where it is absent. Raises BadRequest unless it is in `allowed`."""
    text = request.GET.get(name)
    if not text:
        return None
    if text not in allowed:
        raise BadRequest(f"{name} must be one of: {', '.join(allowed)}.")
    return text
