"""What commands tell of an agent, as JSON-ready values and as text."""

import json
from typing import Any

from agents.models import Agent, AgentVersion
from agents.validation import LIMITS, pool_of


def agent_facts(agent: Agent) -> dict[str, Any]:
    """Return one line of a list of agents. The current version and its credential should be selected with it."""
    version = agent.current_version
    return {
        "slug": agent.slug,
        "name": agent.name,
        "state": agent.state,
        "version": version.number if version else None,
        "model": model_of(version) if version else None,
        "updated_at": agent.updated_at,
    }


def version_facts(version: AgentVersion) -> dict[str, Any]:
    """Return everything that makes a version what it is."""
    return {
        "slug": version.agent.slug,
        "name": version.agent.name,
        "description": version.agent.description,
        "state": version.agent.state,
        "version": version.number,
        "model": model_of(version),
        "instructions": version.instructions,
        "prompt": version.prompt,
        "parameters": version.parameters,
        "output_schema": version.output_schema,
        "abilities": version.abilities,
        "operation": version.operation,
        "pool": [str(entry) for entry in pool_of(version)],
        "attachments": version.attachments,
        "cache_seconds": version.cache_seconds,
        "limits": {name: getattr(version, name) for name in LIMITS},
        "retry": version.retry,
        "note": version.note,
        "created_by": version.created_by.username if version.created_by else None,
        "created_at": version.created_at,
    }


def model_of(version: AgentVersion) -> str:
    """Return the full name of the version's model, `credential/model`."""
    return f"{version.credential.name}/{version.model}"


def version_text(version: AgentVersion) -> str:
    """Return `version_facts` for a person: a line per fact, long texts indented below their name."""
    return "\n".join(
        _line(name, value) for name, value in version_facts(version).items() if value not in ("", None, [])
    )


def _line(name: str, value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    if "\n" in text:
        indented = "\n".join(f"  {line}" for line in text.splitlines())
        return f"{name}:\n{indented}"
    return f"{name}: {text}"
