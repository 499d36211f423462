"""Reads of agents and their versions. A stranger sees nothing."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from agents.models import Agent, AgentQuerySet, AgentVersion
from credentials.models import User
from workers.errors import InvalidInput, NotFound

_REFERENCE = re.compile(r"([^@]+)(?:@([1-9][0-9]{0,8}))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """An agent by its slug, and perhaps one of its versions by number."""

    slug: str
    number: int | None = None

    def __str__(self) -> str:
        return self.slug if self.number is None else f"{self.slug}@{self.number}"


def parse_reference(text: str) -> Reference:
    """Return what `slug` (the current version) or `slug@3` (version 3) refers to. Raises InvalidInput."""
    match = _REFERENCE.fullmatch(text)
    if not match:
        raise InvalidInput(f"An agent is named by its slug, or slug@3 for its version 3; not {text[:100]!r}.")
    return Reference(match[1], int(match[2]) if match[2] else None)


def list_agents(user: User) -> AgentQuerySet:
    """Return the agents that `user` may see by slug, with their current versions and credentials."""
    agents = Agent.objects.visible_to(user).made_by_users()
    return agents.select_related("owner", "current_version__credential").order_by("slug")


def get_agent(user: User, slug: str) -> Agent:
    """Return the agent called `slug` among those that `user` may see. Raises NotFound with a close match."""
    agents = list_agents(user)
    # PostgreSQL refuses to compare with a NUL; no slug holds one.
    agent = agents.filter(slug=slug).first() if "\x00" not in slug else None
    if agent is not None:
        return agent
    close = get_close_matches(slug[:100], agents.values_list("slug", flat=True)[:1000], n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise NotFound(f"There is no agent {slug[:100]!r}.{hint}")


def get_version(user: User, reference: str) -> AgentVersion:
    """Return the version that `reference` (`slug` or `slug@3`) names among those that `user` may see.

    Raises NotFound where there is none, InvalidInput where it is none that could be.
    """
    wanted = parse_reference(reference)
    agent = get_agent(user, wanted.slug)
    number = wanted.number or (agent.current_version.number if agent.current_version else 0)
    version = agent.versions.select_related("agent__owner", "credential", "created_by").filter(number=number).first()
    if version is not None:
        return version
    last = agent.versions.order_by("-number").values_list("number", flat=True).first()
    known = f"the latest is {last}" if last else "it has none yet"
    raise NotFound(f"The agent '{agent.slug}' has no version {number or 1}; {known}.")
