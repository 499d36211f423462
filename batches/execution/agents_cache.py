"""Agent versions as the executor needs them, loaded once per process and read again when a few seconds old."""

import asyncio
import time
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass

import structlog
from django.utils import timezone

from agents.abilities import resolve
from agents.credential_check import provider_config
from agents.llm.providers.base import ModelDefaults, ProviderConfig
from agents.llm.tokens import estimate_request_tokens
from agents.llm.types import CompletionRequest, Price
from agents.models import AgentVersion
from agents.pricing import model_settings, price_of
from agents.routing import ModelName
from agents.services import spec_of
from agents.spec import AgentSpec
from credentials.encryption import DecryptionFailed
from credentials.models import Credential
from credentials.selectors import blocked_until
from workers.engine import Engine
from workers.errors import InvalidInput, WorkError
from workers.ratelimit.types import Bucket, Limits

log = structlog.get_logger(__name__)

# A prompt whose estimate is below this share of it is taken to fit no smaller context.
FIT_SHARE = 0.8
# A version never changes, but its credential's key and its model's price do.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that a version may call: what its client is built from, its limits, price, and share of the calls.

    `blocked_for` are the seconds for which the provider told everybody to wait, as the database knew when this was
    loaded. `context_window` is in tokens, None where it is not known.
    """

    name: ModelName
    provider: str
    config: ProviderConfig
    bucket: Bucket
    limits: Limits
    price: Price
    weight: int
    context_window: int | None
    blocked_for: float


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """A version ready to run, and the models that it may call: its own, or those of its pool.

    `fixed_tokens` is about what its tools and its output schema take of every call. `loaded_at` is monotonic, which is
    the loop's time. `has_pool` holds also where only one member can be used now.
    """

    version_id: int
    spec: AgentSpec
    models: tuple[LoadedModel, ...]
    fixed_tokens: int
    loaded_at: float
    has_pool: bool = False

    @property
    def model(self) -> LoadedModel:
        """The version's own model; of a pool the first that can be used."""
        return self.models[0]

    def fitting(self, prompt_tokens: int) -> Sequence[LoadedModel]:
        """Return the models whose context is large enough for a prompt, by estimate; all where none is known to be.

        An estimate may be a little too low without harm: a run that is told so goes elsewhere.
        """
        found = [model for model in self.models if (model.context_window or prompt_tokens) >= prompt_tokens * FIT_SHARE]
        return found or self.models

    def model_of(self, bucket: Bucket) -> LoadedModel | None:
        """Return the model that is limited by `bucket`; None where it is none of the version's (any more)."""
        for model in self.models:
            if model.bucket == bucket:
                return model
        return None


def load_agent(version_id: int) -> LoadedAgent:
    """Return the version with this id. Raises WorkError where its credential is disabled or cannot be decrypted.

    Of a pool those members count whose credential can be used, as long as there is one.
    """
    version = AgentVersion.objects.select_related("agent", "credential").get(pk=version_id)
    pool = _load_pool(version)
    models = pool or (load_model(version.credential, version.model),)
    spec = spec_of(version, models[0].price)
    return LoadedAgent(version_id, spec, models, fixed_tokens(spec), time.monotonic(), bool(pool))


def _load_pool(version: AgentVersion) -> tuple[LoadedModel, ...]:
    """Return the usable members of the version's pool; empty where it has none. Raises WorkError if none is usable."""
    models, unusable = [], None
    for member in version.pool.select_related("credential"):
        try:
            models.append(load_model(member.credential, member.model, member.weight))
        except (WorkError, DecryptionFailed) as error:
            log.warning("pool_member_unusable", version_id=version.pk, model=str(member), error=type(error).__name__)
            unusable = error
    if unusable is not None and not models:
        raise unusable
    return tuple(models)


def load_model(credential: Credential, model: str, weight: int = 1) -> LoadedModel:
    """Return `model` with `credential`, ready to be called. Raises WorkError and DecryptionFailed."""
    config = provider_config(credential)
    settings = model_settings(credential, model)
    until = blocked_until(credential, model)
    scope = f"{credential.pk} {credential.provider} {credential.base_url}"
    return LoadedModel(
        name=ModelName(f"{credential.name}/{model}", model, scope),
        provider=credential.provider,
        config=config,
        bucket=Bucket(credential.pk, model),
        limits=limits_of(settings),
        price=price_of(settings),
        weight=weight,
        context_window=settings.context_window,
        blocked_for=0.0 if until is None else max(0.0, (until - timezone.now()).total_seconds()),
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
    asked = CompletionRequest(spec.model, (), tools or spec.tools, output_schema=spec.output_schema)
    return estimate_request_tokens(asked)


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
