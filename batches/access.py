"""Whether a user may run an agent version now."""

from agents.models import AgentVersion
from agents.services import require_runnable
from credentials.models import User
from workers.errors import NotFound


def require_access(user: User, version: AgentVersion) -> None:
    """Raise NotFound where `user` does not see `version`, Conflict where its agent is not active. One query."""
    found = AgentVersion.objects.visible_to(user).select_related("agent").filter(pk=version.pk).first()
    if found is None:
        raise NotFound(f"There is no agent {version}.")
    require_runnable(found)
