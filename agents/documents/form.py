"""The form of an agent as a document: every field of a version, credentials by their names, no key.

A document is one version. Its fields are those of `agents.validation.CONTENT`, the limits in an object of their own;
beside them stand what belongs to the agent (`slug`, `name`, `description`, `state`), `note`, and `version`, which tells
a reader where it comes from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Model

from agents.models import AgentVersion
from agents.validation import CONTENT, LIMITS, content_of
from credentials.models import Credential

from .yaml_text import to_yaml

FORMAT = 1
AGENT_FIELDS = ("slug", "name", "description", "state")
CONTENT_FIELDS = (*(name for name in CONTENT if name not in LIMITS), "limits")
FIELDS = ("format", *AGENT_FIELDS, "version", "note", *CONTENT_FIELDS)
_TOP = """\
# Agents of Arboretum, a document for each version. Keys are not in it: credentials stand here by name.
# Read it in: manage.py agents import FILE [--credential NAME] [--dry-run]
"""


def document_of(version: AgentVersion) -> dict[str, Any]:
    """Return a version as JSON-ready values. Its agent and credential are read, so select them with it."""
    agent = version.agent
    return {
        "format": FORMAT,
        **{name: plain(getattr(agent, name)) for name in AGENT_FIELDS},
        "version": version.number,
        "note": version.note,
        **content_document(content_of(version)),
    }


def content_document(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a version, as `agents.validation` has it, as JSON-ready values."""
    limits = {name: plain(content[name]) for name in LIMITS if name in content}
    return {name: plain(content[name]) for name in CONTENT_FIELDS if name in content} | {"limits": limits}


def documents_text(versions: Iterable[AgentVersion]) -> str:
    """Return versions as one YAML text, a document each."""
    return _TOP + "".join(f"---\n{to_yaml(document_of(version))}" for version in versions)


def plain(value: Any) -> Any:
    """Return `value` as JSON has it: a credential is its name, an amount of money a number."""
    match value:
        case Credential():
            return value.name
        case str():
            return str(value)  # of a choice, too
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    assert not isinstance(value, Model), f"{type(value).__name__} has no form in a document"
    return value
