"""The models that answer a version's calls, with their weights, prices and limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agents.llm.providers.base import ModelDefaults
from agents.models import AgentVersion
from agents.pricing import model_settings
from credentials.models import Credential
from workers.ratelimit.tuning import Tuning


@dataclass(frozen=True, slots=True)
class ModelShare:
    """A model by its full name `credential/model`, with its `share` of the calls (0 to 1)."""

    name: str
    share: float
    settings: ModelDefaults

    @property
    def has_price(self) -> bool:
        """Whether anybody has set a price of its tokens; 0 is one."""
        return self.settings.input_price is not None or self.settings.output_price is not None


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per 1,000,000 tokens, over all models by their shares."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Work:
    """Rows to run: their number, their tokens in and out, and the seconds of a call, where these are known."""

    rows: float
    tokens: float
    call_seconds: float | None


@dataclass(frozen=True, slots=True)
class Duration:
    """The seconds that work takes at least, and the limit because of which it does."""

    seconds: float
    limit: str


def models_of(version: AgentVersion) -> list[ModelShare]:
    """Return the models of `version`: those of its pool, else its own. Raises InvalidInput for an unknown provider."""
    members = list(version.pool.select_related("credential"))
    if not members:
        return [_share(version.credential, version.model, 1.0)]
    whole = sum(member.weight for member in members) or 1
    return [_share(member.credential, member.model, member.weight / whole) for member in members]


def _share(credential: Credential, model: str, share: float) -> ModelShare:
    return ModelShare(f"{credential.name}/{model}", share, model_settings(credential, model))


def prices_of(models: Sequence[ModelShare]) -> Prices | None:
    """Return the mean prices of `models`, None where one of them has no price."""
    if not all(model.has_price for model in models):
        return None
    return Prices(
        sum(model.share * float(model.settings.input_price or Decimal(0)) for model in models),
        sum(model.share * float(model.settings.output_price or Decimal(0)) for model in models),
    )


def least_duration(models: Sequence[ModelShare], work: Work) -> Duration | None:
    """Return how long `work` takes at the limits of `models`, each doing its share; None where no limit tells.

    Calls are paced a little below a limit, as the limiter does it. A pool takes as long as its slowest model.
    """
    found = [Duration(seconds, limit) for model in models for seconds, limit in _durations(model, work)]
    return max(found, key=lambda duration: duration.seconds, default=None)


def _durations(model: ModelShare, work: Work) -> list[tuple[float, str]]:
    settings, margin = model.settings, Tuning().margin
    found = []
    if settings.requests_per_minute:
        limit = f"{settings.requests_per_minute:,} requests/min of {model.name}"
        found.append((60 * model.share * work.rows / (settings.requests_per_minute * margin), limit))
    if settings.tokens_per_minute:
        limit = f"{settings.tokens_per_minute:,} tokens/min of {model.name}"
        found.append((60 * model.share * work.tokens / (settings.tokens_per_minute * margin), limit))
    if settings.max_concurrency and work.call_seconds is not None:
        limit = f"{settings.max_concurrency:,} calls at a time of {model.name}"
        found.append((model.share * work.rows * work.call_seconds / settings.max_concurrency, limit))
    return found
