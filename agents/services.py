"""Writes of agents and their versions, and what the runner needs of them."""

from typing import Any, Unpack

from django.db import IntegrityError, transaction

from agents.credential_check import CredentialCheck, check_credential, check_credential_now, provider_config
from agents.llm.types import Price
from agents.models import Agent, AgentState, AgentVersion, PoolMember
from agents.pricing import model_settings, price_of
from agents.spec import AgentSpec, RunLimits
from agents.validation import LIMITS, VersionChanges, check_text, checked_content, content_of
from credentials.models import User
from credentials.selectors import get_credential
from credentials.validation import check_instance
from workers.errors import Conflict, InvalidInput, NotFound
from workers.retry import RetryPolicy

__all__ = [
    "CredentialCheck",
    "VersionChanges",
    "check_credential",
    "check_credential_now",
    "create_agent",
    "new_version",
    "provider_config",
    "require_runnable",
    "spec_of",
    "update_agent",
]

# Where an agent is tried out nothing is stored; runs and batches are.
_TRIED_OUT_STATES = (AgentState.DRAFT, AgentState.ACTIVE)
_RUN_STATES = (AgentState.ACTIVE,)
MAX_NOTE = 500
MAX_DESCRIPTION = 10_000


def create_agent(
    user: User,
    *,
    slug: str,
    name: str = "",
    description: str = "",
    note: str = "",
    **content: Unpack[VersionChanges],
) -> Agent:
    """Return a new agent of `user` with its version 1.

    `content` needs credential (the object or its name), model and prompt; all else has defaults. Raises InvalidInput
    that names the field and what is allowed.
    """
    agent = Agent(owner=user, slug=slug, name=name, description=description)
    _check_agent(agent)
    checked = checked_content(user, {}, content)
    try:
        with transaction.atomic():
            agent.save(force_insert=True)
            _add_version(user, agent, 1, check_text("note", note, MAX_NOTE), checked)
    except IntegrityError:
        raise InvalidInput(f"slug: there already is an agent '{slug}'") from None
    return agent


def new_version(user: User, agent: Agent, *, note: str = "", **changes: Unpack[VersionChanges]) -> AgentVersion:
    """Return the agent's current version with `changes`, as its new current version.

    Numbers follow each other without gaps, also when several ask at once. Where nothing changes, the current version
    is returned and none is made. Raises InvalidInput that names the field and what is allowed.
    """
    with transaction.atomic():
        locked = _locked(user, agent)
        current = locked.current_version
        base = content_of(current) if current else {}
        content = checked_content(user, base, changes)
        if current is not None and content == base:
            return current
        last = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
        version = _add_version(user, locked, last + 1, check_text("note", note, MAX_NOTE), content)
    agent.current_version = version
    return version


def update_agent(
    user: User, agent: Agent, *, name: str | None = None, description: str | None = None, state: str | None = None
) -> Agent:
    """Return the agent with another name, description or state; None leaves it. Raises InvalidInput."""
    given = {"name": name, "description": description, "state": state}
    changes = {field: value for field, value in given.items() if value is not None}
    if state is not None and state not in AgentState.values:
        raise InvalidInput(f"state must be one of: {', '.join(AgentState.values)}")
    with transaction.atomic():
        locked = _locked(user, agent)
        for field, value in changes.items():
            setattr(locked, field, value)
        _check_agent(locked)
        locked.save(update_fields=[*changes, "updated_at"])
    return locked


def require_runnable(version: AgentVersion, *, trial: bool = False) -> None:
    """Raise Conflict, naming the agent and its state, where `version` may not be run.

    An active agent runs. A draft may be tried out (`trial`: here and now, nothing is stored). Paused and archived
    agents take nothing new. The version's agent is read, so select it with it.
    """
    agent = version.agent
    if agent.state not in (_TRIED_OUT_STATES if trial else _RUN_STATES):
        hint = f"make it active first: manage.py agents update {agent.slug} --state {AgentState.ACTIVE}"
        state = "a draft" if agent.state == AgentState.DRAFT else agent.state
        raise Conflict(f"agent '{agent.slug}' is {state}; {hint}")


def spec_of(version: AgentVersion, price: Price | None = None) -> AgentSpec:
    """Return `version` as the runner needs it. Without `price` the model's price is looked up (a query).

    The version's agent and credential are read, so select them with it.
    """
    return AgentSpec(
        slug=version.agent.slug,
        version=version.number,
        credential=version.credential.name,
        model=version.model,
        instructions=version.instructions,
        prompt=version.prompt,
        parameters=version.parameters,
        output_schema=version.output_schema,
        abilities=tuple(version.abilities),
        limits=RunLimits(**{name: getattr(version, name) for name in LIMITS}),
        retry=RetryPolicy.parse(version.retry),
        price=price or price_of(model_settings(version.credential, version.model)),
        operation=version.operation,
        attachments=tuple(version.attachments),
        cache_seconds=version.cache_seconds,
        is_plain=version.is_plain,
    )


def _check_agent(agent: Agent) -> None:
    check_text("name", agent.name)
    check_text("description", agent.description, MAX_DESCRIPTION)
    check_instance(agent, exclude=("owner", "current_version"))


def _locked(user: User, agent: Agent) -> Agent:
    """Return the agent's row, locked until the transaction ends (SQLite: the transaction itself is the lock)."""
    row = Agent.objects.visible_to(user).select_for_update().filter(pk=agent.pk).first()
    if row is None:
        raise NotFound(f"There is no agent '{agent.slug}'.")
    return row


def _add_version(user: User, agent: Agent, number: int, note: str, content: dict[str, Any]) -> AgentVersion:
    pool = content["pool"]
    fields = {name: value for name, value in content.items() if name != "pool"}
    version = AgentVersion(agent=agent, number=number, note=note, created_by=user, **fields)
    version.save(force_insert=True)
    PoolMember.objects.bulk_create(
        PoolMember(
            version=version,
            place=place,
            credential=get_credential(user, entry.credential),
            model=entry.model,
            weight=entry.weight,
        )
        for place, entry in enumerate(pool)
    )
    agent.current_version = version
    agent.save(update_fields=["current_version", "updated_at"])
    return version
