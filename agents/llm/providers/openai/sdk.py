"""Calls through the OpenAI SDK: it sends, what comes back is read by `wire` and `assembler`."""

from collections.abc import AsyncGenerator
from typing import Any, cast

import aiohttp
import httpx2
from openai import AsyncOpenAI, AsyncStream, DefaultAioHttpClient, OpenAIError, RequestOptions

from agents.llm.http.json_body import parse_json
from agents.llm.http.messages import clean_message
from agents.llm.http.network import (
    CONNECT_SECONDS,
    JSON_OVERHEAD,
    PLACEHOLDER_KEY,
    USER_AGENT,
    can_be_header,
    cannot_be_sent,
)
from agents.llm.http.sse import ALIVE, drain, read_events
from agents.llm.http.transport import ProviderClient, is_event_stream, transport_error
from agents.llm.providers.base import ProviderConfig
from agents.llm.types import Chunk, Completion, CompletionRequest, TextDelta
from workers.errors import WorkError

from .assembler import Assembler
from .dialect import PLAIN, Dialect
from .errors import error_of_response
from .headers import own_headers
from .wire import parse_completion, request_body


class _Client(ProviderClient, DefaultAioHttpClient):
    """The guarded client on the SDK's aiohttp transport."""


class SDKProvider:
    """A client of OpenAI or a compatible server that uses nothing of the environment: no key, URL, header or proxy."""

    def __init__(self, config: ProviderConfig, dialect: Dialect = PLAIN) -> None:
        """Build the SDK's client, which takes about 30 ms and does not connect yet."""
        own = own_headers(config, dialect)
        http_client = _Client(
            max_body_bytes=config.max_answer_bytes * JSON_OVERHEAD,
            secret=config.api_key,
            sort_error=error_of_response,
            own_headers=frozenset(name.lower().encode() for name in own),
        )
        self._sdk = AsyncOpenAI(
            api_key=config.api_key or PLACEHOLDER_KEY,
            admin_api_key="",
            webhook_secret="",
            organization="",
            project="",
            base_url=config.base_url,
            max_retries=0,
            http_client=http_client,
        )
        self._secret = config.api_key
        self._dialect = dialect
        self._own_headers = own
        self._max_answer_bytes = config.max_answer_bytes

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`."""
        response = await self._post(request, stream=False)
        return self._whole(response, request)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the text as it comes, then the whole; an empty TextDelta for whatever else shows life."""
        response = await self._post(request, stream=True)
        try:
            if is_event_stream(response):
                async for chunk in self._read_stream(response, request):
                    yield chunk
            else:
                # Some servers answer whole all the same; the transport has read it.
                completion = self._whole(response, request)
                yield TextDelta(completion.text)
                yield completion
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def _post(self, request: CompletionRequest, *, stream: bool) -> httpx2.Response:
        """Return the response with a status of 2xx, read whole unless `stream`."""
        body = request_body(request, self._dialect, stream=stream)
        options = self._options(request.timeout, request.correlation_id)
        try:
            # `with_raw_response.create` would cost half a millisecond more for the same bytes.
            response = await self._sdk.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body=body,
                options=options,
                stream=stream,
                stream_cls=AsyncStream[Any] if stream else None,
            )
        except (OpenAIError, TypeError, ValueError) as error:
            raise self._unexpected(error) from None
        return cast(httpx2.Response, response)

    def _options(self, timeout: float, correlation_id: str | None) -> RequestOptions:
        headers = {**self._own_headers, "User-Agent": USER_AGENT}
        if can_be_header(correlation_id):
            headers["X-Request-ID"] = correlation_id
        return {"headers": headers, "timeout": httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))}

    def _whole(self, response: httpx2.Response, request: CompletionRequest) -> Completion:
        parsed = parse_json(response.content, response.headers.get("content-type", ""))
        return parse_completion(parsed, response.headers, request, self._secret, self._dialect)

    async def _read_stream(self, response: httpx2.Response, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        content_type = response.headers["content-type"]
        assembler = Assembler(request, self._secret, self._max_answer_bytes, self._dialect)
        events = read_events(response.aiter_bytes(), self._max_answer_bytes * JSON_OVERHEAD)
        try:
            async for data in events:
                if data == b"[DONE]":
                    await drain(events)
                    break
                yield TextDelta(assembler.add(parse_json(data, content_type)) if data != ALIVE else "")
        except (httpx2.HTTPError, aiohttp.ClientError) as error:
            raise transport_error(error, self._secret) from None
        yield assembler.finish(response.headers)

    def _unexpected(self, error: Exception) -> WorkError:
        """Return the error for a request that the SDK cannot build; failures of the call never come as its errors.

        Only the SDK's own words are passed on: others may quote the prompt.
        """
        said = clean_message(str(error), self._secret) if isinstance(error, OpenAIError) else "not valid as JSON"
        return cannot_be_sent(f"{type(error).__name__}: {said}")
