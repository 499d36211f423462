"""Sends JSON and reads the whole answer, on aiohttp alone: a plain call costs a third of what the SDK takes."""

from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs
from multidict import istr
from yarl import URL

from agents.llm.providers.base import ProviderConfig
from workers.errors import ErrorCode, WorkError

from .large_bodies import LARGE_BODY_BYTES, large_bodies
from .network import (
    CONNECT_SECONDS,
    ERROR_BODY_BYTES,
    JSON_OVERHEAD,
    USER_AGENT,
    SortError,
    can_be_header,
    cannot_be_sent,
    compressed_unasked,
    network_error,
    tls_context,
    too_large,
)

# Below what servers and load balancers keep an idle connection for, so that a call seldom meets one just closed:
# such a call fails as a connection error, since nobody can tell whether the server has taken it.
KEEPALIVE_SECONDS = 15.0
_DNS_SECONDS = 60
# While an answer waits for room, its connection holds at most twice this and one receiving of asyncio's, 256 KiB. With
# aiohttp's own 256 KiB that would be three times what is read of the answer.
READ_AHEAD_BYTES = 64 * 1024
_REQUEST_ID = istr("X-Request-ID")
_HEADERS: Mapping[str, str] = {
    hdrs.CONTENT_TYPE: "application/json",
    hdrs.ACCEPT: "application/json",
    hdrs.ACCEPT_ENCODING: "identity",
    hdrs.USER_AGENT: USER_AGENT,
}


class DirectCaller:
    """Calls one URL with one key from one event loop, over as many connections as there are calls at once."""

    def __init__(
        self, config: ProviderConfig, url: str, path: str, *, own_headers: Mapping[str, str], sort_error: SortError
    ) -> None:
        """Call `path` below `url` with the provider's `own_headers` beside the usual ones.

        Raises WorkError `invalid_request` where no request can be built of it.
        """
        self._url = _url(url, path)
        self._headers = {**_HEADERS, **own_headers}
        self._sort_error = sort_error
        self._secret = config.api_key
        self._max_body_bytes = config.max_answer_bytes * JSON_OVERHEAD
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False
        self._timeout = aiohttp.ClientTimeout(total=None)

    async def post(
        self, body: bytes, within: float, correlation_id: str | None, own_headers: Mapping[str, str] | None = None
    ) -> tuple[bytes | bytearray, Mapping[str, str]]:
        """Return the answer's body and headers to a POST of `body`.

        `within` is in seconds, for the connection and for each silence; `own_headers` are this call's.
        Raises WorkError for every failure, a status other than 2xx included. Never tries twice.
        """
        headers: dict[str, str] | None = {_REQUEST_ID: correlation_id} if can_be_header(correlation_id) else None
        if own_headers:
            headers = {**(headers or {}), **own_headers}
        return await self._call(hdrs.METH_POST, body, within, headers)

    async def get(self, within: float) -> tuple[bytes | bytearray, Mapping[str, str]]:
        """Return the answer's body and headers to a GET; all else as `post` does."""
        return await self._call(hdrs.METH_GET, None, within, None)

    async def _call(
        self, method: str, body: bytes | None, within: float, headers: Mapping[str, str] | None
    ) -> tuple[bytes | bytearray, Mapping[str, str]]:
        try:
            session = self._session or self._open()
            response = await session.request(
                method, self._url, data=body, headers=headers, allow_redirects=False, timeout=self._timeouts(within)
            )
            try:
                return await self._read(response), response.headers
            finally:
                # Cuts an answer that was not read to its end; a connection that was is in the pool again by now.
                response.close()
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            raise network_error(error, self._secret) from None

    async def aclose(self) -> None:
        """Close the connections; calls that still run fail, later ones too."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise WorkError(ErrorCode.CONNECTION, "the client is closed")
        connector = aiohttp.TCPConnector(
            ssl=tls_context() if self._url.scheme == "https" else True,
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            ttl_dns_cache=_DNS_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_AHEAD_BYTES,
            trust_env=False,
        )
        return self._session

    def _timeouts(self, seconds: float) -> aiohttp.ClientTimeout:
        """Return the timeouts of a call; most calls have the same."""
        if self._timeout.sock_read != seconds:
            connect = min(seconds, CONNECT_SECONDS)
            self._timeout = aiohttp.ClientTimeout(total=None, connect=connect, sock_read=seconds)
        return self._timeout

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | bytearray:
        headers = response.headers
        encoding = headers.get(hdrs.CONTENT_ENCODING, "identity")
        if encoding != "identity":
            raise compressed_unasked(encoding)
        if response.status // 100 != 2:
            head = bytes((await _read_until(response.content, ERROR_BODY_BYTES))[:ERROR_BODY_BYTES])
            raise self._sort_error(response.status, headers, head, self._secret)
        most = self._max_body_bytes
        if (response.content_length or 0) > most:
            raise too_large(most)
        body = await _read_until(response.content, most)
        if len(body) > most:
            # The error's traceback would keep it.
            del body
            raise too_large(most)
        return body


async def _read_until(content: aiohttp.StreamReader, most: int) -> bytes | bytearray:
    """Return the body, or its beginning of more than `most` bytes."""
    first = await content.readany()
    if content.at_eof():
        return first
    body = bytearray(first)
    if await _read_on(content, body, min(most, LARGE_BODY_BYTES)) and len(body) <= most:
        await _read_large(content, body, most)
    # No copy: a large one is in memory once.
    return body


async def _read_large(content: aiohttp.StreamReader, body: bytearray, most: int) -> None:
    """Read on as far as the budget of large answers gives room."""
    try:
        with large_bodies().reading() as share:
            while len(body) <= most and await _read_on(content, body, min(most, await share.take())):
                pass
    except BaseException:
        # The error's traceback would keep it.
        body.clear()
        raise


async def _read_on(content: aiohttp.StreamReader, body: bytearray, most: int) -> bool:
    """Read into `body` until it holds more than `most` bytes; return whether there may be more."""
    while len(body) <= most:
        piece = await content.readany()
        if not piece:
            return False
        body += piece
    return True


def _url(base: str, path: str) -> URL:
    try:
        url = URL(base)
        return url.with_path(url.raw_path.rstrip("/") + path, encoded=True)
    except ValueError as error:
        raise cannot_be_sent(type(error).__name__) from None
