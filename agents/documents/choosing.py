"""Which versions are written as documents."""

from collections.abc import Sequence

from agents.models import AgentVersion
from agents.selectors import get_version, list_agents
from credentials.models import User
from workers.errors import InvalidInput


def chosen_versions(user: User, references: Sequence[str], *, everything: bool = False) -> list[AgentVersion]:
    """Return the versions that `references` name, or the current ones of all agents that `user` may see.

    Raises InvalidInput unless either some are named or all are asked for.
    """
    if bool(references) == everything:
        raise InvalidInput("Name agents as SLUG or SLUG@N, or ask for all of them.")
    if not everything:
        return [get_version(user, reference) for reference in references]
    versions = AgentVersion.objects.filter(pk__in=list_agents(user).order_by().values("current_version"))
    related = versions.select_related("agent__owner", "credential", "created_by")
    return list(related.prefetch_related("pool__credential").order_by("agent__slug"))
