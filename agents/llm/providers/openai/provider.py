"""The client of OpenAI and compatible servers: streams go through the SDK, all else over aiohttp alone."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import hdrs

from agents.llm.http.direct import DirectCaller
from agents.llm.http.json_body import parse_json, to_json
from agents.llm.http.lazy import LazyClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.types import Chunk, Completion, CompletionRequest, Embedding, EmbeddingRequest

from .dialect import PLAIN, Dialect
from .embeddings import embedding_body, parse_embedding
from .errors import error_of_response
from .headers import own_headers
from .wire import parse_completion, parse_models, request_body

if TYPE_CHECKING:
    from .sdk import SDKProvider

_LIST_SECONDS = 30.0


class OpenAIProvider:
    """A connected client. It uses nothing of the environment: no key, organisation, URL, header or proxy."""

    def __init__(self, config: ProviderConfig, dialect: Dialect = PLAIN) -> None:
        """Call as `config` says, in `dialect`. Raises WorkError `invalid_request` where no request could be built."""
        self._config = config
        self._dialect = dialect
        self._callers: list[DirectCaller] = []
        self._chat = self._caller("/chat/completions")
        self._embeddings = self._caller("/embeddings")
        self._models = self._caller("/models")
        self._key_check = self._caller(dialect.key_path) if dialect.key_path else None
        self._sdk: LazyClient[SDKProvider] = LazyClient(
            f"{__package__}.sdk", lambda sdk: sdk.SDKProvider(config, dialect)
        )

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`."""
        sent = request_body(request, self._dialect, stream=False)
        body, headers = await self._chat.post(to_json(sent), request.timeout, request.correlation_id)
        parsed = parse_json(body, headers.get(hdrs.CONTENT_TYPE, ""))
        return parse_completion(parsed, headers, request, self._config.api_key, self._dialect)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the text as it comes, then the whole; an empty TextDelta for whatever else shows life."""
        sdk = await self._sdk.get()
        async with aclosing(sdk.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Return a vector for each input."""
        sent = to_json(embedding_body(request, self._dialect))
        body, headers = await self._embeddings.post(sent, request.timeout, request.correlation_id)
        parsed = parse_json(body, headers.get(hdrs.CONTENT_TYPE, ""))
        return parse_embedding(parsed, headers, request, self._config.api_key)

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use, sorted."""
        if self._key_check is not None:
            await self._key_check.get(_LIST_SECONDS)
        body, headers = await self._models.get(_LIST_SECONDS)
        return parse_models(parse_json(body, headers.get(hdrs.CONTENT_TYPE, "")), self._dialect)

    async def aclose(self) -> None:
        """Close the connections."""
        for caller in self._callers:
            await caller.aclose()
        await self._sdk.aclose()

    def _caller(self, path: str) -> DirectCaller:
        caller = DirectCaller(
            self._config,
            self._config.base_url,
            path,
            own_headers=own_headers(self._config, self._dialect),
            sort_error=error_of_response,
        )
        self._callers.append(caller)
        return caller
