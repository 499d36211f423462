"""Agents and their versions, as the pages show them."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from agents.models import Agent, AgentVersion, PoolMember
from dashboard.paging import PAGE_SIZE

from . import Reader

MOST_VERSIONS = 200


def visible_agents(user: Reader) -> QuerySet[Agent]:
    """Return the agents that `user` may see, with their current version."""
    return Agent.objects.visible_to(user).made_by_users().select_related("current_version__credential", "owner")


def agent_page(user: Reader, *, after: str = "", limit: int = PAGE_SIZE) -> tuple[list[Agent], str | None]:
    """Return a page of agents by slug, those after slug `after`, and the slug that asks for the next page."""
    agents = list(visible_agents(user).filter(slug__gt=after).order_by("slug")[: limit + 1])
    return agents[:limit], agents[limit - 1].slug if len(agents) > limit else None


def agent_versions(user: Reader, agent: Agent) -> list[AgentVersion]:
    """Return the versions of `agent`, newest first."""
    versions = AgentVersion.objects.visible_to(user).filter(agent=agent).select_related("credential", "created_by")
    return list(versions.order_by("-number")[:MOST_VERSIONS])


def pool_members(user: Reader, version: AgentVersion) -> list[PoolMember]:
    """Return the models of a version's pool in their order; none where it has no pool."""
    return list(PoolMember.objects.visible_to(user).filter(version=version).select_related("credential"))


def agent_version(user: Reader, agent: Agent, number: int) -> AgentVersion:
    """Return version `number` of `agent`. Raises Http404."""
    versions = AgentVersion.objects.visible_to(user).select_related("credential")
    return get_object_or_404(versions, agent=agent, number=number)
