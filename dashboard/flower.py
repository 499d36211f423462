"""Flower behind a proxy for staff: it listens on a private socket, and these pages decide who gets there."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack

import aiohttp
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.cookie import parse_cookie
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from yarl import URL

from workers.embedded.paths import flower_socket

CONNECT_SECONDS = 3
ANSWER_SECONDS = 60
CHUNK_BYTES = 64 * 1024

# RFC 9110, section 7.6.1: they belong to one connection. Lengths and encodings are set anew on each side.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Our session is none of Flower's business, and its policy on content none of ours.
_NOT_SENT = _HOP_BY_HOP | {"cookie", "host", "content-length", "authorization"}
_NOT_RETURNED = _HOP_BY_HOP | {"content-security-policy", "server", "date"}
_FLOWER_COOKIES = frozenset({"_xsrf"})


@csrf_exempt
@login_not_required
async def proxy(request: HttpRequest, path: str) -> HttpResponseBase:
    """Pass a request on to Flower. Who is not signed in goes to the sign-in page; raises PermissionDenied for others.

    Flower checks no token of its own without its own sign-in, so requests that change something must come from our
    pages (Origin).
    """
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if ".." in path:
        raise Http404
    if not user.is_staff:
        raise PermissionDenied("Flower is for staff.")
    if request.method not in ("GET", "HEAD", "OPTIONS") and not _is_same_origin(request):
        raise PermissionDenied("The request comes from another site.")
    try:
        return await _pass_on(request)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return await sync_to_async(render)(request, "dashboard/flower_down.html", status=503)


def _is_same_origin(request: HttpRequest) -> bool:
    # With HTTPS=1 the browser speaks TLS, also where the request came here over plain HTTP from a proxy.
    schemes = {request.scheme, "https"} if settings.HTTPS else {request.scheme}
    return request.headers.get("Origin") in {f"{scheme}://{request.get_host()}" for scheme in schemes}


async def _pass_on(request: HttpRequest) -> HttpResponseBase:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(_session())
        answer = await stack.enter_async_context(
            session.request(
                request.method or "GET",
                URL(_base_url() + request.get_full_path(), encoded=True),
                headers=_request_headers(request),
                data=request.body or None,
                allow_redirects=False,
            )
        )
        response: HttpResponseBase
        if request.method == "HEAD" or answer.status in (204, 304):
            response = HttpResponse(status=answer.status)
        else:
            # The connection stays open until the last piece has been sent.
            response = StreamingHttpResponse(_pieces(answer, stack.pop_all()), status=answer.status)
    _copy_headers(answer.headers.items(), response)
    return response


def _session() -> aiohttp.ClientSession:
    connector = None if settings.FLOWER_URL else aiohttp.UnixConnector(str(flower_socket(settings.ARBORETUM_DATA_DIR)))
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False, trust_env=False)


def _base_url() -> str:
    return settings.FLOWER_URL.rstrip("/") if settings.FLOWER_URL else "http://flower"


def _request_headers(request: HttpRequest) -> Mapping[str, str]:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_SENT}
    cookies = parse_cookie(request.headers.get("Cookie", ""))
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items() if name in _FLOWER_COOKIES)
    return headers | ({"Cookie": kept} if kept else {})


def _copy_headers(headers: Iterable[tuple[str, str]], response: HttpResponseBase) -> None:
    for name, value in headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        elif name.lower() not in _NOT_RETURNED:
            response.headers[name] = value


async def _pieces(answer: aiohttp.ClientResponse, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for piece in answer.content.iter_chunked(CHUNK_BYTES):
            yield piece
