"""How two versions differ: field by field, long texts by line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from agents.models import AgentVersion

from .form import document_of
from .yaml_text import to_yaml

# What tells versions apart without being a difference.
_IDENTITY = ("format", "version", "note")
_CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, with its values as JSON has them."""

    field: str
    before: Any
    after: Any

    def lines(self) -> list[str]:
        """Return the difference as lines of a unified diff of the field's YAML, without a file's header."""
        before, after = (_lines(self.field, value) for value in (self.before, self.after))
        # The first three lines name files and places; the place is the field here.
        changed = list(unified_diff(before, after, lineterm="", n=_CONTEXT_LINES))[2:]
        return [f"@@ {self.field} @@" if line.startswith("@@") else line for line in changed]


def differences(before: AgentVersion, after: AgentVersion) -> list[Difference]:
    """Return the fields in which two versions differ, in the order of a document.

    Where both are of one agent, its name, description and state are the same by nature.
    """
    return list(_differences(document_of(before), document_of(after)))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for field in before:
        if field not in _IDENTITY and before[field] != after[field]:
            yield Difference(field, before[field], after[field])


def _lines(field: str, value: Any) -> list[str]:
    return to_yaml({field: value}).splitlines()
