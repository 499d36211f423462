"""Agent versions as the executor needs them, loaded once per process and read again when a few seconds old."""

import asyncio
import time
from contextvars import Context
from dataclasses import dataclass

from django.utils import timezone

from agents.abilities import resolve
from agents.credential_check import provider_config
from agents.llm.providers.base import ModelDefaults, ProviderConfig
from agents.llm.tokens import estimate_request_tokens
from agents.llm.types import CompletionRequest
from agents.models import AgentVersion
from agents.pricing import model_settings, price_of
from agents.services import spec_of
from agents.spec import AgentSpec
from credentials.selectors import blocked_until
from workers.engine import Engine
from workers.errors import InvalidInput
from workers.ratelimit.types import Bucket, Limits

# A version never changes, but its credential's key and its model's price do.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """A version ready to run, what its provider's client is built from, and the limits of its model.

    `fixed_tokens` is about what its tools and its output schema take of every call; `blocked_for` are the seconds
    for which the provider told everybody to wait, as the database knew when this was loaded (`loaded_at`, monotonic,
    which is the loop's time).
    """

    spec: AgentSpec
    provider: str
    config: ProviderConfig
    bucket: Bucket
    limits: Limits
    fixed_tokens: int
    blocked_for: float
    loaded_at: float

    @property
    def model(self) -> str:
        """The model's full name, `credential/model`."""
        return f"{self.spec.credential}/{self.spec.model}"


def load_agent(version_id: int) -> LoadedAgent:
    """Return the version with this id. Raises WorkError where its credential is disabled or cannot be decrypted."""
    version = AgentVersion.objects.select_related("agent", "credential").get(pk=version_id)
    credential = version.credential
    config = provider_config(credential)
    settings = model_settings(credential, version.model)
    spec = spec_of(version, price_of(settings))
    until = blocked_until(credential, version.model)
    return LoadedAgent(
        spec=spec,
        provider=credential.provider,
        config=config,
        bucket=Bucket(credential.pk, version.model),
        limits=limits_of(settings),
        fixed_tokens=fixed_tokens(spec),
        blocked_for=0.0 if until is None else max(0.0, (until - timezone.now()).total_seconds()),
        loaded_at=time.monotonic(),
    )


def limits_of(settings: ModelDefaults) -> Limits:
    """Return the limits that hold for a model with these settings."""
    return Limits(settings.requests_per_minute, settings.tokens_per_minute, settings.max_concurrency)


def fixed_tokens(spec: AgentSpec) -> int:
    """Return about how many tokens every call of an agent takes beside its messages."""
    try:
        tools = resolve(spec.abilities).specs
    except InvalidInput:
        # The runner will say so.
        return 0
    return estimate_request_tokens(CompletionRequest(spec.model, (), tools, output_schema=spec.output_schema))


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
            load = self._engine.run_db(load_agent, version_id)
            # Of no run, since many may wait for it.
            task = self._engine.loop.create_task(load, context=Context())
            known = self._loaded[version_id] = (now, task)
        # Shielded: one run that is cancelled must not cancel the load that others wait for.
        return await asyncio.shield(known[1])

    def forget(self, version_id: int) -> None:
        """Load the version anew when it is asked for next."""
        self._loaded.pop(version_id, None)
