"""Calls through Anthropic's SDK: it sends, what comes back is read by `wire` and `assembler`."""

import logging
from collections.abc import AsyncGenerator
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import httpx2
from anthropic import AnthropicError, AsyncAnthropic, AsyncStream, DefaultAioHttpClient
from anthropic._types import RequestOptions

from agents.llm.http.json_body import parse_json, to_json
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
from agents.llm.types import Chunk, CompletionRequest, TextDelta
from workers.errors import ErrorCode, WorkError

from .assembler import Assembler
from .errors import error_of_response
from .headers import OWN_HEADERS, own_headers, root_url
from .wire import API_VERSION, api_version, parse_completion, request_body

# Where its level is DEBUG, which the environment may say, it writes whole requests.
logging.getLogger("anthropic").setLevel(logging.WARNING)

_LIST_SECONDS = 30.0
# A page holds at most 1,000 models; a server that has ever more of them lies.
_PAGE_MODELS = 1_000
_MOST_PAGES = 10


class _Client(ProviderClient, DefaultAioHttpClient):
    """The guarded client on the SDK's aiohttp transport."""


class SDKProvider:
    """A client of the Messages API that uses nothing of the environment: no key, profile, URL, header or proxy."""

    def __init__(self, config: ProviderConfig) -> None:
        """Build the SDK's client, which does not connect yet."""
        self._config = config
        # With a key and a URL given, the SDK looks for neither in the environment or in files of its own.
        self._sdk = AsyncAnthropic(
            api_key=config.api_key or PLACEHOLDER_KEY,
            webhook_key="",
            base_url=root_url(config),
            max_retries=0,
            open_telemetry=False,
            http_client=_Client(
                max_body_bytes=config.max_answer_bytes * JSON_OVERHEAD,
                secret=config.api_key,
                sort_error=error_of_response,
                own_headers=OWN_HEADERS,
            ),
        )

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the text as it comes, then the whole; an empty TextDelta for whatever else shows life."""
        response = await self._post(request)
        try:
            if is_event_stream(response):
                async for chunk in self._read_stream(response, request):
                    yield chunk
            else:
                # Some servers answer whole all the same; the transport has read it.
                parsed = _parsed(response)
                completion = parse_completion(parsed, response.headers, request, self._config.api_key)
                yield TextDelta(completion.text)
                yield completion
        finally:
            await response.aclose()

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use, sorted."""
        models: list[str] = []
        after = ""
        for _ in range(_MOST_PAGES):
            page = await self._page(after)
            data = page.get("data")
            if not isinstance(data, list):
                raise WorkError(ErrorCode.BAD_RESPONSE, "the list of models holds no data")
            models += [str(model["id"]) for model in data if isinstance(model, dict) and model.get("id")]
            after = str(page.get("last_id") or "")
            if page.get("has_more") is not True or not after:
                break
        return sorted(set(models))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def _page(self, after: str) -> dict[str, Any]:
        path = f"/v1/models?limit={_PAGE_MODELS}" + (f"&after_id={quote(after, safe='')}" if after else "")
        options = self._options(_LIST_SECONDS, None, API_VERSION)
        try:
            response = await self._sdk.get(path, cast_to=httpx2.Response, options=options)
        except AnthropicError as error:
            raise self._unexpected(error) from None
        return _parsed(response)

    async def _post(self, request: CompletionRequest) -> httpx2.Response:
        """Return the response with a status of 2xx, which is not read yet where it streams.

        `messages.create` would parse each event into models of its own, and warn of models that are soon retired.
        """
        options = self._options(request.timeout, request.correlation_id, api_version(request))
        try:
            response = await self._sdk.post(
                "/v1/messages",
                cast_to=httpx2.Response,
                content=to_json(request_body(request, stream=True)),
                options=options,
                stream=True,
                stream_cls=AsyncStream[Any],
            )
        except (AnthropicError, TypeError, ValueError) as error:
            raise self._unexpected(error) from None
        return cast(httpx2.Response, response)

    def _options(self, timeout: float, correlation_id: str | None, version: str) -> RequestOptions:
        headers = {**own_headers(self._config, version), "User-Agent": USER_AGENT, "Content-Type": "application/json"}
        if can_be_header(correlation_id):
            headers["X-Request-ID"] = correlation_id
        return {"headers": headers, "timeout": httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))}

    async def _read_stream(self, response: httpx2.Response, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        content_type = response.headers["content-type"]
        most = self._config.max_answer_bytes
        assembler = Assembler(request, self._config.api_key, most)
        events = read_events(response.aiter_bytes(), most * JSON_OVERHEAD)
        try:
            async for data in events:
                yield TextDelta(assembler.add(parse_json(data, content_type)) if data != ALIVE else "")
                if assembler.is_over:
                    await drain(events)
                    break
        except (httpx2.HTTPError, aiohttp.ClientError) as error:
            raise transport_error(error, self._config.api_key) from None
        yield assembler.finish(response.headers)

    def _unexpected(self, error: Exception) -> WorkError:
        """Return the error that the SDK wraps, of a call that failed; else that of a request that it cannot build.

        Only the SDK's own words are passed on: others may quote the prompt.
        """
        if isinstance(error.__cause__, WorkError):
            return error.__cause__
        said = clean_message(str(error), self._config.api_key) if isinstance(error, AnthropicError) else "not valid"
        return cannot_be_sent(f"{type(error).__name__}: {said}")


def _parsed(response: httpx2.Response) -> dict[str, Any]:
    return parse_json(response.content, response.headers.get("content-type", ""))
