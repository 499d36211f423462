"""Routes of models: limits, prices, and what holds their calls back now."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, cast

from ninja import Query
from pydantic import Field

from credentials.api.callers import Caller
from credentials.known import KnownRow, known_models
from credentials.limits import ModelState, model_states
from credentials.models import LARGEST_BIG_INTEGER, LARGEST_INTEGER, Credential, ProviderModel
from credentials.selectors import get_credential
from credentials.services import ModelLimits, set_model, unblock
from workers.errors import InvalidInput
from workers.ratelimit.readout import BucketState

from .credentials import READ, WRITE
from .names import CredentialName, ModelName
from .routes import Routes
from .schemas import Given, Shown

routes = Routes("Models")
_MILLION = "US dollars per 1,000,000 "
Whole = Annotated[int | None, Field(ge=1, le=LARGEST_INTEGER)]
# As a number of JSON; Decimal's own schema would allow texts.
Price = Annotated[float | None, Field(ge=0, lt=1_000_000)]


class ModelLimitsShown(Shown):
    """Limits, prices and sizes; null falls back to those of `*`, then to the provider's own."""

    requests_per_minute: Whole = Field(None, description="Requests a minute.", examples=[500])
    tokens_per_minute: Annotated[int | None, Field(ge=1, le=LARGEST_BIG_INTEGER)] = Field(
        None, description="Tokens a minute.", examples=[200_000]
    )
    max_concurrency: Whole = Field(None, description="Calls in flight at once.", examples=[50])
    input_price: Price = Field(None, description=_MILLION + "input tokens.", examples=[0.15])
    output_price: Price = Field(None, description=_MILLION + "output tokens.", examples=[0.6])
    cached_input_price: Price = Field(
        None, description=_MILLION + "input tokens that the provider had in its own cache.", examples=[0.075]
    )
    context_window: Whole = Field(None, description="Tokens of input and output together.", examples=[128_000])
    max_output_tokens: Whole = Field(None, description="Tokens of one answer.", examples=[16_384])


class ModelLimitsGiven(ModelLimitsShown, Given):
    """Limits, prices and sizes to set; what is left out stays, null falls back to the defaults."""

    def limits(self) -> ModelLimits:
        """Return them as the services take them."""
        given = self.given().items()
        exact = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in given}
        return cast(ModelLimits, exact)


class LiveState(Shown):
    """What the limiter knows of a model now."""

    binding: str | None = Field(description="What keeps calls waiting.", examples=["requests"])
    since: datetime | None = Field(description="Since when.")
    until: datetime | None = Field(description="When the next call may start.")
    in_flight: int = Field(description="Calls in flight.", examples=[50])
    waiting: int = Field(description="Rows and single runs that the workers hold and may not start.", examples=[120])
    ceiling: int | None = Field(description="The adaptive ceiling of calls in flight.", examples=[64])
    breaker: str = Field(description="closed, or open after too many failures.", examples=["closed"])
    granted: int = Field(description="Calls granted since it is known.", examples=[1000])
    refused: int = Field(description="Calls that the provider refused (429).", examples=[0])
    tokens: int = Field(description="Tokens since it is known.", examples=[150_000])
    told_requests: int = Field(description="Requests a minute that the provider told; 0: none.", examples=[500])
    told_tokens: int = Field(description="Tokens a minute that the provider told; 0: none.", examples=[200_000])
    blocked_reason: str = Field(description="Why it is blocked; empty: it is not.", examples=[""])

    @classmethod
    def of(cls, state: BucketState) -> "LiveState":
        """Show `state`."""
        return cls(**{name: getattr(state, name) for name in cls.model_fields})


class ModelShown(ModelLimitsShown):
    """A model of a credential: what was set for it, and what holds its calls back now."""

    credential: str = Field(description="Name of the credential.", examples=["openai"])
    model: str = Field(description="The provider's name of it; `*`: the defaults.", examples=["gpt-4o-mini"])
    blocked_until: datetime | None = Field(description="The provider told to wait until then.")
    held_back_by: str | None = Field(
        description="requests, tokens, concurrency, adaptive, breaker or blocked; null: nothing.", examples=["requests"]
    )
    until: datetime | None = Field(description="When the next call may start.")
    now: LiveState | None = Field(description="Null where it was not used in the last hour, or Redis is away.")

    @classmethod
    def of(cls, model: ModelState) -> "ModelShown":
        """Show `model`."""
        return cls(
            **_limits(model.limits),
            credential=model.credential.name,
            model=model.name,
            blocked_until=model.blocked_until,
            held_back_by=model.held_back_by,
            until=model.until,
            now=LiveState.of(model.now) if model.now else None,
        )


class ModelsShown(Shown):
    """Models by credential and name."""

    data: list[ModelShown] = Field(description="Those with limits or prices, and those in use.")
    is_live: bool = Field(description="Whether the limiter could be asked.")


class KnownModel(ModelLimitsShown):
    """A model whose prices and sizes the provider's client knows, as they hold for the credential."""

    credential: str = Field(description="Name of the credential.", examples=["openai"])
    model: str = Field(description="The provider's name of it.", examples=["gpt-4o-mini"])
    set_here: bool = Field(description="Whether some of it was set for the credential.")

    @classmethod
    def of(cls, row: KnownRow) -> "KnownModel":
        """Show `row`."""
        values = {name: _number(row.values.get(name)) for name in ModelLimitsShown.model_fields}
        return cls(**values, credential=row.credential.name, model=row.name, set_here=row.is_overridden)


class KnownModels(Shown):
    """Known models by credential and name."""

    data: list[KnownModel] = Field(description="The list is as old as the release.")


class ModelSet(ModelLimitsShown):
    """What is set for a model."""

    credential: str = Field(description="Name of the credential.", examples=["openai"])
    model: str = Field(description="The provider's name of it; `*`: the defaults.", examples=["gpt-4o-mini"])


class OfCredential(Given):
    """Whose models to list."""

    credential: str | None = Field(None, max_length=100, description="Only those of this credential.")


class Unblock(Given):
    """What to unblock."""

    model: str | None = Field(None, max_length=200, description="That model alone; else all of the credential.")


class Unblocked(Shown):
    """What was unblocked."""

    credential: str = Field(description="Name of the credential.", examples=["openai"])
    model: str | None = Field(description="The model; null: all of them.", examples=[None])
    was_blocked: bool = Field(description="Whether anything was blocked.")


@routes.get("/models", scopes=READ, shows=ModelsShown, summary="List models with their live state")
def list_models(caller: Caller, asked: Query[OfCredential]) -> ModelsShown:
    """List what was set, models that were used in the last hour, and what holds their calls back now."""
    states = model_states(caller.user, _credential(caller, asked))
    return ModelsShown(data=[ModelShown.of(model) for model in states.models], is_live=states.is_live)


@routes.get("/models/known", scopes=READ, shows=KnownModels, summary="List known models")
def list_known_models(caller: Caller, asked: Query[OfCredential]) -> KnownModels:
    """List the models whose prices, limits or sizes the provider's client knows."""
    return KnownModels(data=[KnownModel.of(row) for row in known_models(caller.user, _credential(caller, asked))])


@routes.patch("/credentials/{name}/models/{path:model}", scopes=WRITE, shows=ModelSet, summary="Set limits and prices")
def set_model_(caller: Caller, name: CredentialName, model: ModelName, given: ModelLimitsGiven) -> ModelSet:
    """Set what is given for a model, or for `*`. Limits hold over all workers together, within about 5 s."""
    limits = given.limits()
    if not limits:
        raise InvalidInput(f"Nothing to set: give at least one of {', '.join(ModelLimitsShown.model_fields)}.")
    row = set_model(get_credential(caller.user, name), model, **limits)
    return ModelSet(**_limits(row), credential=name, model=row.name)


@routes.post(
    "/credentials/{name}/unblock", scopes=WRITE, shows=Unblocked, in_transaction=False, summary="Unblock a credential"
)
def unblock_credential(caller: Caller, name: CredentialName, what: Unblock | None = None) -> Unblocked:
    """Let calls start at once that the provider (429) told to wait. 503 where Redis does not answer."""
    credential, model = get_credential(caller.user, name), what.model if what else None
    return Unblocked(credential=credential.name, model=model, was_blocked=unblock(credential, model))


def _credential(caller: Caller, asked: OfCredential) -> Credential | None:
    return get_credential(caller.user, asked.credential) if asked.credential is not None else None


def _limits(row: ProviderModel | None) -> dict[str, Any]:
    return {name: _number(getattr(row, name, None)) for name in ModelLimitsShown.model_fields}


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
