"""The HTTP client under the SDK: sends only our own headers, bounds what it reads, raises classified errors."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2

from workers.errors import ErrorCode, WorkError

from .network import (
    ERROR_BODY_BYTES,
    SortError,
    cannot_be_sent,
    compressed_unasked,
    network_error,
    tls_context,
    too_large,
)

# An allow-list: SDKs add headers from the environment and telemetry of their own, and the client keeps cookies.
_SENT_HEADERS = frozenset({b"content-type", b"content-length", b"accept", b"user-agent", b"x-request-id"})
# A compressed body could unfold to a thousand times its size.
_NO_COMPRESSION = (b"accept-encoding", b"identity")

# It logs every request at INFO, which would be a line a call.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class ProviderClient(httpx2.AsyncClient):
    """An HTTP client without a bound on its connections: limits are Arboretum's.

    A provider puts it before its SDK's own client on aiohttp: `class Client(ProviderClient, DefaultAioHttpClient)`.
    """

    def __init__(
        self, *, max_body_bytes: int, secret: str, sort_error: SortError, own_headers: frozenset[bytes] = frozenset()
    ) -> None:
        """Read at most `max_body_bytes` of a whole body; `secret` never appears in a message.

        `own_headers` are names, in lower case, of headers that the provider sends beside the usual ones: that of its
        key, for one.

        Neither proxies nor .netrc nor certificates are taken from the environment, and redirects are not followed,
        so a call goes where the credential says and nowhere else.
        """
        # aiohttp reads a limit of 0 as none; None would leave it at 100.
        limits = httpx2.Limits(max_connections=0, max_keepalive_connections=None, keepalive_expiry=30.0)
        super().__init__(limits=limits, verify=tls_context(), trust_env=False, follow_redirects=False)
        self._max_body_bytes = max_body_bytes
        self._secret = secret
        self._sort_error = sort_error
        self._sent_headers = _SENT_HEADERS | own_headers

    async def send(self, request: httpx2.Request, *, stream: bool = False, **kwargs: Any) -> httpx2.Response:
        """Return the response, read whole unless `stream` was asked for and given.

        Raises WorkError for every failure, a status other than 2xx included.
        """
        # One pass over the raw pairs: deleting by name costs a tenth of the whole call.
        sent = [(name, value) for name, value in request.headers.raw if value and name.lower() in self._sent_headers]
        # The environment may name another host for the SDK's requests.
        request.headers = httpx2.Headers([(b"Host", request.url.netloc), *sent, _NO_COMPRESSION])
        try:
            response = await super().send(request, stream=True, **kwargs)
        except (httpx2.HTTPError, httpx2.InvalidURL, aiohttp.ClientError, ValueError) as error:
            raise transport_error(error, self._secret) from None
        try:
            await self._check(response)
            if not stream or not is_event_stream(response):
                response.stream = _BoundedStream(response.stream, self._max_body_bytes)
                await response.aread()
        except BaseException as error:
            await response.aclose()
            if isinstance(error, (httpx2.HTTPError, aiohttp.ClientError)):
                raise transport_error(error, self._secret) from None
            raise
        return response

    async def _check(self, response: httpx2.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise compressed_unasked(encoding)
        if response.status_code // 100 != 2:
            body = await _read_head(response, ERROR_BODY_BYTES)
            raise self._sort_error(response.status_code, response.headers, body, self._secret)


def is_event_stream(response: httpx2.Response) -> bool:
    """Tell whether the server streams, whatever it was asked for."""
    return "event-stream" in response.headers.get("content-type", "")


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that ends in an error when it grows beyond its bound."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._inner:
            size += len(piece)
            if size > self._most:
                raise too_large(self._most)
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _read_head(response: httpx2.Response, most: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= most:
            break
    return bytes(body[:most])


def transport_error(error: Exception, secret: str) -> WorkError:
    """Return the error that a failure below HTTP stands for.

    The SDK's aiohttp transport names a lost connection a timeout, so aiohttp's own exception, its cause, decides.
    """
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__ or error
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError)):
        return cannot_be_sent(type(cause).__name__)
    if isinstance(cause, httpx2.DecodingError):
        return WorkError(ErrorCode.BAD_RESPONSE, f"the server's answer is not valid HTTP ({type(cause).__name__})")
    return network_error(cause if isinstance(cause, Exception) else error, secret)
