"""What programs name as the `model` of a request: an agent, or a provider's model."""

from agents.models import AgentVersion, Operation
from agents.plain_models import plain_version
from agents.selectors import get_version
from agents.services import require_runnable
from credentials.models import User
from workers.errors import InvalidInput

AGENT_PREFIX = "agent:"


def resolve_model(user: User, name: object, operation: str = Operation.CHAT) -> AgentVersion:
    """Return the version that `name` stands for, with its agent and credential: ready to be run by `user`.

    `agent:slug` is an agent's current version, `agent:slug@3` its version 3, `credential/model` a provider's model.
    Raises NotFound where `user` sees none, and InvalidInput, beginning with `model`, for a name that is none, an agent
    that is not active, or one of another operation.
    """
    if not isinstance(name, str) or not name:
        raise InvalidInput("model must be a text: agent:slug, agent:slug@3 or credential/model")
    if not name.startswith(AGENT_PREFIX):
        return plain_version(user, name, operation)
    version = get_version(user, name.removeprefix(AGENT_PREFIX))
    try:
        require_runnable(version)
    except InvalidInput as error:
        raise InvalidInput(f"model: {error}") from None
    if version.operation != operation:
        raise InvalidInput(f"model: {name[:200]} does {version.operation}, and cannot be asked for {operation}")
    return version


def model_name(version: AgentVersion, *, pinned: bool = True) -> str:
    """Return the name by which programs ask for `version`; an agent's with its number where `pinned`."""
    if version.is_plain:
        return str(version)
    return f"{AGENT_PREFIX}{version.agent.slug}" + (f"@{version.number}" if pinned else "")
