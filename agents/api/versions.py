"""Routes of the versions of an agent."""

from ninja import Query
from pydantic import Field

from agents.documents.differences import differences
from agents.models import AgentVersion
from agents.selectors import get_agent, get_version
from agents.services import new_version
from credentials.api.callers import Caller
from credentials.api.native import Given, Page, PageRequest, Routes, page_of

from .given import NewVersion, Number, Slug
from .shown import Difference, Differences, VersionShown

routes = Routes("Agents")
_PATH = "/agents/{slug}/versions"


class VersionsCompared(Given):
    """Which versions to compare."""

    before: int = Field(ge=1, lt=10**9, description="Number of the one version.", examples=[1])
    after: int | None = Field(None, ge=1, lt=10**9, description="Number of the other; by default the current one.")


@routes.get(_PATH, scopes="agents:read", shows=Page[VersionShown], summary="List the versions of an agent")
def list_versions(caller: Caller, slug: Slug, asked: Query[PageRequest]) -> Page[VersionShown]:
    """List versions, the latest first."""
    agent = get_agent(caller.user, slug)
    versions = agent.versions.select_related("agent", "credential", "created_by").prefetch_related("pool__credential")
    return page_of(versions, asked, ["-number"], VersionShown.of, kind=f"versions of {agent.pk}")


@routes.post(_PATH, scopes="agents:write", shows=VersionShown, status=201, summary="Make a new version")
def create_version(caller: Caller, slug: Slug, new: NewVersion) -> VersionShown:
    """Make a new current version of what is given; the rest stays.

    Where nothing changes none is made, and the current one is shown.
    """
    agent = get_agent(caller.user, slug)
    version = new_version(caller.user, agent, note=new.note, **new.changes())
    return VersionShown.of(_get(caller, slug, version.number))


@routes.get(_PATH + "/{number}", scopes="agents:read", shows=VersionShown, summary="Get a version")
def get_version_(caller: Caller, slug: Slug, number: Number) -> VersionShown:
    """Show all that makes a version what it is."""
    return VersionShown.of(_get(caller, slug, number))


@routes.get("/agents/{slug}/diff", scopes="agents:read", shows=Differences, summary="Compare two versions")
def diff_versions(caller: Caller, slug: Slug, compared: Query[VersionsCompared]) -> Differences:
    """Tell how two versions of an agent differ, field by field."""
    before = _get(caller, slug, compared.before)
    after = get_version(caller.user, slug) if compared.after is None else _get(caller, slug, compared.after)
    found = [
        Difference(field=it.field, before=it.before, after=it.after, lines=it.lines())
        for it in differences(before, after)
    ]
    return Differences(before=str(before), after=str(after), changes=found)


def _get(caller: Caller, slug: str, number: int) -> AgentVersion:
    agent = get_agent(caller.user, slug)
    return get_version(caller.user, f"{agent.slug}@{number}")
