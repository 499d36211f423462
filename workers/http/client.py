"""The guarded client: one request, its redirects followed by hand, each hop looked at as if it were the first."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from workers.errors import ErrorCode, WorkError

from .allowed import OutboundRules, outbound_rules
from .reading import ACCEPTED, GuardedResponse, read_body
from .refusal import Refused
from .resolving import PinnedResolver, Resolve, checked_addresses, resolve
from .urls import Target, check_url

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 30.0
MOST_BYTES = 5 * 1024 * 1024
MOST_REDIRECTS = 5
LONGEST_HEADER = 8 * 1024
MOST_HEADERS = 64
USER_AGENT = "arboretum"
_REDIRECTS = (301, 302, 303, 307, 308)
# What may go along to another server; all else (Authorization, Cookie, keys by any name) was meant for the first.
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
# Set by the client alone: a caller could name another host with them, or lie about the body.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade"})


@cache
def _tls() -> ssl.SSLContext:
    # Loading the system's authorities takes some 40 ms.
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds of a request: seconds to connect and in all, bytes of the unpacked answer, redirects.

    With `may_cut` a longer answer is cut, not refused. With `may_replay` a body goes on to another server too.
    """

    connect: float = CONNECT_SECONDS
    total: float = TOTAL_SECONDS
    bytes: int = MOST_BYTES
    redirects: int = MOST_REDIRECTS
    may_cut: bool = False
    may_replay: bool = False


@dataclass(frozen=True, slots=True)
class _Hop:
    method: str
    target: Target
    headers: "CIMultiDict[str]" = field(default_factory=CIMultiDict)
    body: bytes | None = None


class GuardedClient:
    """Calls addresses that somebody else has chosen. It keeps no connection, no cookie and no state."""

    def __init__(
        self, rules: OutboundRules | None = None, *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        """Follow `rules`, the settings' where None; `tls` says which servers are trusted, the system's where None."""
        self._rules = rules
        self._resolve = resolve
        self._tls = tls

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        caps: Caps | None = None,
    ) -> GuardedResponse:
        """Return the answer to a request, whatever its status; a redirect is followed up to `caps.redirects` times.

        With no redirects allowed one is returned as it is. Raises Refused for an address that may not be called, at the
        first hop or a later one, and WorkError (`timeout`, `connection`, `bad_response`) for what fails on the way.
        """
        caps = caps or Caps()
        rules = self._rules or outbound_rules()
        given = CIMultiDict((name, value) for name, value in (headers or {}).items() if name.lower() not in _OURS)
        given.setdefault(hdrs.USER_AGENT, USER_AGENT)
        hop = _Hop(method.upper(), check_url(url, rules), given, body)
        try:
            async with asyncio.timeout(caps.total):
                return await self._follow(hop, caps, rules)
        except aiohttp.ClientError as error:
            # Before TimeoutError: some are both.
            raise _sorted(error) from None
        except TimeoutError:
            raise WorkError(ErrorCode.TIMEOUT, f"no whole answer within {caps.total:g} s") from None
        except (OSError, ValueError) as error:
            if isinstance(error, Refused):
                raise
            raise WorkError(ErrorCode.CONNECTION, f"the connection failed ({type(error).__name__})") from None

    async def _follow(self, hop: _Hop, caps: Caps, rules: OutboundRules) -> GuardedResponse:
        for left in reversed(range(caps.redirects + 1)):
            found = await self._ask(hop, caps, rules)
            if isinstance(found, GuardedResponse):
                return found
            if not left:
                break
            hop = _next(hop, found, caps, rules)
        raise Refused(f"url: more than {caps.redirects} redirects")

    async def _ask(self, hop: _Hop, caps: Caps, rules: OutboundRules) -> "GuardedResponse | tuple[int, str]":
        """Return the answer, or the status and the address of a redirect that is to be followed."""
        addresses = await checked_addresses(hop.target, rules, self._resolve)
        async with (
            self._session(hop.target, addresses, caps) as session,
            session.request(
                hop.method,
                hop.target.url,
                data=hop.body,
                headers={**hop.headers, hdrs.ACCEPT_ENCODING: ACCEPTED},
                allow_redirects=False,
            ) as response,
        ):
            location = response.headers.get(hdrs.LOCATION)
            if caps.redirects and response.status in _REDIRECTS and location is not None:
                return response.status, location
            body, is_cut = await read_body(response, caps.bytes, may_cut=caps.may_cut)
            return GuardedResponse(response.status, response.headers, body, str(hop.target.url), is_cut)

    def _session(self, target: Target, addresses: list[str], caps: Caps) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=PinnedResolver(target.host, addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=(self._tls or _tls()) if target.url.scheme == "https" else True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=caps.connect, sock_connect=caps.connect),
            auto_decompress=False,
            trust_env=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
        )


def _next(hop: _Hop, redirect: tuple[int, str], caps: Caps, rules: OutboundRules) -> _Hop:
    """Return the request that a redirect asks for. Raises Refused where it may not be made."""
    status, location = redirect
    try:
        url = hop.target.url.join(URL(location))
    except ValueError:
        raise Refused("url: it redirects to what is no address") from None
    target = check_url(str(url), rules)
    is_same = target.origin == hop.target.origin
    # As browsers do (https://fetch.spec.whatwg.org/#http-redirect-fetch): 303 asks anew, so do 301 and 302 of a POST.
    if (status == 303 and hop.method != hdrs.METH_HEAD) or (status in (301, 302) and hop.method == hdrs.METH_POST):
        hop = replace(hop, method=hdrs.METH_GET, body=None)
    if hop.body is not None and not is_same and not caps.may_replay:
        raise Refused("url: it redirects to another server, which is not to be sent what was meant for the first")
    kept = hop.headers if is_same else ((name, value) for name, value in hop.headers.items() if _is_harmless(name))
    return replace(hop, target=target, headers=CIMultiDict(kept))


def _is_harmless(name: str) -> bool:
    return name.lower() in _HARMLESS


def _sorted(error: aiohttp.ClientError) -> WorkError:
    """Return what a failure of aiohttp stands for. Its own text may hold what the server sent, or addresses."""
    if isinstance(error, aiohttp.ServerTimeoutError):
        return WorkError(ErrorCode.TIMEOUT, "the server did not answer in time")
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        return WorkError(ErrorCode.BAD_RESPONSE, f"the server's answer is not valid HTTP ({type(error).__name__})")
    if isinstance(error, aiohttp.ClientSSLError):
        return WorkError(ErrorCode.CONNECTION, "the server's certificate or TLS is not accepted")
    return WorkError(ErrorCode.CONNECTION, f"the connection failed ({type(error).__name__})")
