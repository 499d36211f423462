"""The agents and models behind the rows of a batch: a few versions, each looked up once."""

from typing import NamedTuple

from sqlalchemy import Engine, select

from agents.models import AgentKind
from batches.tables import agent_versions, agents, credentials


class VersionLabel(NamedTuple):
    """What a record says of an agent version: slug, number, and `credential/model`.

    A provider's model that is called as it is has neither slug nor number.
    """

    agent: str | None
    version: int | None
    model: str


class VersionLabels(dict[int, VersionLabel]):
    """Labels by version id; one that is missing is read when it is first asked for."""

    def __init__(self, engine: Engine) -> None:
        """Read from the database of `engine`."""
        super().__init__()
        self._engine = engine

    def __missing__(self, version_id: int) -> VersionLabel:
        statement = (
            select(agents.c.kind, agents.c.slug, agent_versions.c.number, credentials.c.name, agent_versions.c.model)
            .join_from(agent_versions, agents, agents.c.id == agent_versions.c.agent_id)
            .join(credentials, credentials.c.id == agent_versions.c.credential_id)
            .where(agent_versions.c.id == version_id)
        )
        with self._engine.connect() as connection:
            kind, slug, number, credential, model = connection.execute(statement).one()
        name = f"{credential}/{model}"
        is_plain = kind == AgentKind.MODEL
        label = self[version_id] = VersionLabel(None, None, name) if is_plain else VersionLabel(slug, number, name)
        return label
