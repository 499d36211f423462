"""Agent versions as the executor needs them, loaded once per process and read again when a few seconds old."""

import asyncio
import time
from dataclasses import dataclass

from agents.credential_check import provider_config
from agents.llm.providers.base import ProviderConfig
from agents.models import AgentVersion
from agents.services import spec_of
from agents.spec import AgentSpec
from workers.engine import Engine

# A version never changes, but its credential's key and its model's price do.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """A version ready to run, and what its provider's client is built from."""

    spec: AgentSpec
    provider: str
    config: ProviderConfig

    @property
    def model(self) -> str:
        """The model's full name, `credential/model`."""
        return f"{self.spec.credential}/{self.spec.model}"


def load_agent(version_id: int) -> LoadedAgent:
    """Return the version with this id. Raises WorkError where its credential is disabled or cannot be decrypted."""
    version = AgentVersion.objects.select_related("agent", "credential").get(pk=version_id)
    return LoadedAgent(spec_of(version), version.credential.provider, provider_config(version.credential))


class AgentCache:
    """Loaded agents by version id; runs that ask at the same moment share one query."""

    def __init__(self, engine: Engine) -> None:
        """Load through the engine's database thread."""
        self._engine = engine
        self._loaded: dict[int, tuple[float, asyncio.Task[LoadedAgent]]] = {}

    async def get(self, version_id: int) -> LoadedAgent:
        """Return the version, at most FRESH_SECONDS old."""
        now = time.monotonic()
        known = self._loaded.get(version_id)
        if known is None or now - known[0] > FRESH_SECONDS:
            task = self._engine.loop.create_task(self._engine.run_db(load_agent, version_id))
            known = self._loaded[version_id] = (now, task)
        # Shielded: one run that is cancelled must not cancel the load that others wait for.
        return await asyncio.shield(known[1])
