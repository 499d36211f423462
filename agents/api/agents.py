"""Routes of agents."""

from django.db.models import Q
from ninja import Query

from agents.selectors import get_agent, list_agents
from agents.services import create_agent, update_agent
from credentials.api.callers import Caller
from credentials.api.native import Page, Routes, page_of

from .given import SORTING, AgentChanges, AgentFilters, NewAgent, Slug
from .shown import AgentShown

routes = Routes("Agents")


@routes.get("/agents", scopes="agents:read", shows=Page[AgentShown], summary="List agents")
def list_agents_(caller: Caller, filters: Query[AgentFilters]) -> Page[AgentShown]:
    """List the agents that the user may see."""
    agents = list_agents(caller.user)
    if filters.state is not None:
        agents = agents.filter(state=filters.state)
    if filters.q:
        words = filters.q
        agents = agents.filter(Q(slug__icontains=words) | Q(name__icontains=words) | Q(description__icontains=words))
    return page_of(agents, filters, SORTING.order(filters.sort), AgentShown.of, kind="agents")


@routes.post("/agents", scopes="agents:write", shows=AgentShown, status=201, summary="Create an agent")
def create_agent_(caller: Caller, new: NewAgent) -> AgentShown:
    """Create an agent with its version 1."""
    agent = create_agent(
        caller.user, slug=new.slug, name=new.name, description=new.description, note=new.note, **new.changes()
    )
    return AgentShown.of(get_agent(caller.user, agent.slug))


@routes.get("/agents/{slug}", scopes="agents:read", shows=AgentShown, summary="Get an agent")
def get_agent_(caller: Caller, slug: Slug) -> AgentShown:
    """Show an agent; its current version is at `/agents/{slug}/versions/{number}`."""
    return AgentShown.of(get_agent(caller.user, slug))


@routes.patch("/agents/{slug}", scopes="agents:write", shows=AgentShown, summary="Change an agent")
def update_agent_(caller: Caller, slug: Slug, changes: AgentChanges) -> AgentShown:
    """Change the name, the description or the state, which holds for all versions; runs that were accepted go on."""
    update_agent(caller.user, get_agent(caller.user, slug), **changes.given())
    return AgentShown.of(get_agent(caller.user, slug))
