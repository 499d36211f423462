"""The protocol that every provider fulfils."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from agents.llm.types import Chunk, Completion, CompletionRequest, Embedding, EmbeddingRequest

# 4 MiB: several times what the longest answers of today's models take.
MAX_ANSWER_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What a provider's client is built from: the credential's content, in the clear. Never logged or stored.

    `max_answer_bytes` bounds an answer, so that a hostile server cannot fill the memory.
    """

    api_key: str = field(repr=False, default="")
    base_url: str = ""
    organisation: str = ""
    max_answer_bytes: int = MAX_ANSWER_BYTES


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """A provider's own limits and prices for a model, where neither the model's row nor the credential's `*` row says.

    Prices are US dollars per 1,000,000 tokens. None: unknown, hence unlimited or free.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None


class Provider(Protocol):
    """A client of one provider with one credential, used from one event loop.

    Every method raises `workers.errors.WorkError` with a classified code and nothing else (cancellation apart);
    no method retries or sleeps by itself.
    """

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's text as it comes, then the whole as one Completion.

        An empty TextDelta tells that the provider is alive though no text has come.
        """
        ...

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Return a vector for each input; WorkError `invalid_request` where the provider has no embeddings."""
        ...

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ProviderType(Protocol):
    """A provider as a kind: builds clients, knows its defaults, checks an agent's parameters before anything runs."""

    name: str
    needs_key: bool
    # Where calls go when the credential has no base URL; empty where it must have one.
    default_base_url: str

    @property
    def has_embeddings(self) -> bool:
        """Whether its clients can embed at all."""
        ...

    def connect(self, config: ProviderConfig) -> Provider:
        """Return a client for `config`."""
        ...

    def defaults(self, model: str) -> ModelDefaults:
        """Return the provider's own limits and prices of `model`."""
        ...

    def known_models(self) -> Mapping[str, ModelDefaults]:
        """Return the models whose prices and sizes are known, by name; all of them can be overridden."""
        ...

    def check_parameters(self, model: str, parameters: Mapping[str, Any]) -> None:
        """Raise InvalidInput naming the first parameter that is wrong, and what is allowed."""
        ...
