"""The client of Anthropic: plain calls go over aiohttp, the SDK does the rest."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import hdrs

from agents.llm.http.direct import DirectCaller
from agents.llm.http.json_body import parse_json, to_json
from agents.llm.http.lazy import LazyClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.types import Chunk, Completion, CompletionRequest, Embedding, EmbeddingRequest
from workers.errors import ErrorCode, WorkError

from .errors import error_of_response
from .headers import own_headers, root_url
from .wire import API_VERSION, api_version, parse_completion, request_body

if TYPE_CHECKING:
    from .sdk import SDKProvider


class AnthropicProvider:
    """A connected client. It uses nothing of the environment: no key, profile, URL, header or proxy."""

    def __init__(self, config: ProviderConfig) -> None:
        """Call as `config` says. Raises WorkError `invalid_request` where no request could be built of it."""
        self._config = config
        self._direct = DirectCaller(
            config,
            root_url(config),
            "/v1/messages",
            own_headers=own_headers(config, API_VERSION),
            sort_error=error_of_response,
        )
        self._sdk: LazyClient[SDKProvider] = LazyClient(f"{__package__}.sdk", lambda sdk: sdk.SDKProvider(config))

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`."""
        sent = to_json(request_body(request, stream=False))
        version = api_version(request)
        own = {"anthropic-version": version} if version != API_VERSION else None
        body, headers = await self._direct.post(sent, request.timeout, request.correlation_id, own)
        parsed = parse_json(body, headers.get(hdrs.CONTENT_TYPE, ""))
        return parse_completion(parsed, headers, request, self._config.api_key)

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Raise WorkError `invalid_request`: Anthropic has no embeddings."""
        raise WorkError(ErrorCode.INVALID_REQUEST, "Anthropic has no embeddings: choose a model of another provider")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the text as it comes, then the whole; an empty TextDelta for whatever else shows life."""
        sdk = await self._sdk.get()
        async with aclosing(sdk.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use, sorted."""
        return await (await self._sdk.get()).list_models()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._direct.aclose()
        await self._sdk.aclose()
