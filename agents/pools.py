"""Pools: several models behind one agent version, each with a weight."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.errors import InvalidInput

MOST_MEMBERS = 16
LARGEST_WEIGHT = 100
_ALLOWED = "a list of 2 to 16 models, such as ['openai-eu/gpt-4o=3', 'openai-us/gpt-4o']"
_TEXT = re.compile(r"([^/=]+)/(.+?)(?:=(\d{1,9}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """One model of a pool: the name of its credential, the provider's name of it, and its share of the calls."""

    credential: str
    model: str
    weight: int = 1

    @property
    def name(self) -> str:
        """The model's full name, `credential/model`."""
        return f"{self.credential}/{self.model}"

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name}={self.weight}"


def parse_pool(value: Any) -> tuple[PoolEntry, ...]:
    """Return the members that `value` describes; empty for None and an empty list.

    A member is a text `credential/model` or `credential/model=weight`, an object with credential, model and weight, or
    a PoolEntry. Raises InvalidInput that names the member and what is allowed.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidInput(f"pool must be {_ALLOWED}")
    entries = tuple(_entry(item, f"pool[{place}]") for place, item in enumerate(value))
    if entries and not 2 <= len(entries) <= MOST_MEMBERS:
        raise InvalidInput(f"pool has {len(entries)} members; it must be {_ALLOWED}, or empty")
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"pool names '{twice[0]}' more than once; give it a larger weight")
    return entries


def _entry(item: Any, place: str) -> PoolEntry:
    if isinstance(item, PoolEntry):
        return _checked(item, place)
    if isinstance(item, str) and (match := _TEXT.fullmatch(item)):
        return _checked(PoolEntry(match[1].strip(), match[2].strip(), int(match[3] or 1)), place)
    if isinstance(item, Mapping) and {"credential", "model"} <= set(item) <= {"credential", "model", "weight"}:
        return _checked(PoolEntry(item["credential"], item["model"], item.get("weight", 1)), place)
    raise InvalidInput(f"{place} must be 'credential/model', 'credential/model=weight', or an object of these three")


def _checked(entry: PoolEntry, place: str) -> PoolEntry:
    for name in ("credential", "model"):
        if not isinstance(getattr(entry, name), str) or not getattr(entry, name):
            raise InvalidInput(f"{place}.{name} must be a name, not {getattr(entry, name)!r}")
    if type(entry.weight) is not int or not 1 <= entry.weight <= LARGEST_WEIGHT:
        raise InvalidInput(f"{place}.weight must be a whole number from 1 to {LARGEST_WEIGHT}, not {entry.weight!r}")
    return entry
