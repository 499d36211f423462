"""The client of OpenAI and compatible servers: plain calls go over aiohttp, the SDK does the rest."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING

import orjson
from aiohttp import hdrs

from agents.llm.http.direct import DirectCaller
from agents.llm.http.json_body import parse_json
from agents.llm.http.network import cannot_be_sent
from agents.llm.providers.base import ProviderConfig
from agents.llm.types import Chunk, Completion, CompletionRequest
from workers.errors import ErrorCode, WorkError

from .errors import error_of_response
from .headers import own_headers
from .kind import DEFAULT_BASE_URL
from .wire import parse_completion, request_body

if TYPE_CHECKING:
    from .sdk import SDKProvider


class OpenAIProvider:
    """A connected client. It uses nothing of the environment: no key, organisation, URL, header or proxy."""

    def __init__(self, config: ProviderConfig) -> None:
        """Call as `config` says. Raises WorkError `invalid_request` where no request could be built of it."""
        self._config = config
        self._direct = DirectCaller(
            config,
            config.base_url or DEFAULT_BASE_URL,
            "/chat/completions",
            own_headers=own_headers(config),
            sort_error=error_of_response,
        )
        self._sdk: SDKProvider | None = None
        self._is_closed = False

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`."""
        try:
            sent = orjson.dumps(request_body(request, stream=False))
        except (TypeError, ValueError) as error:
            # Only the type is told: the text may quote the prompt.
            raise cannot_be_sent(f"{type(error).__name__}: not valid as JSON") from None
        body, headers = await self._direct.post(sent, request.timeout, request.correlation_id)
        parsed = parse_json(body, headers.get(hdrs.CONTENT_TYPE, ""))
        return parse_completion(parsed, headers, request, self._config.api_key)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the text as it comes, then the whole; an empty TextDelta for whatever else shows life."""
        sdk = await self._load_sdk()
        async with aclosing(sdk.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use, sorted."""
        return await (await self._load_sdk()).list_models()

    async def aclose(self) -> None:
        """Close the connections."""
        self._is_closed = True
        await self._direct.aclose()
        if self._sdk is not None:
            await self._sdk.aclose()

    async def _load_sdk(self) -> "SDKProvider":
        """Return the client on the SDK, which is loaded and built when it is first needed.

        Its import takes most of a second and 20 MB: in a thread, so that the calls in flight go on.
        """
        if self._sdk is None:
            await asyncio.to_thread(import_module, f"{__package__}.sdk")
        if self._is_closed:
            raise WorkError(ErrorCode.CONNECTION, "the client is closed")
        from .sdk import SDKProvider

        # Another call may have been faster.
        self._sdk = self._sdk or SDKProvider(self._config)
        return self._sdk
