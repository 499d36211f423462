"""What happens around every request of the API, on the event loop and without a thread."""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .callers import allowance_of, authenticate, caller_of, known_caller
from .errors import Problem, problem_of, problem_of_status
from .paths import face_of, is_api
from .request_ids import HEADER, request_id_of

log = structlog.get_logger(__name__)

# What such an answer says beside its shape: which methods there are.
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class ApiMiddleware:
    """Gives each request of the API an id, its answer the headers of all answers, and the log one line.

    What no view answered, an unknown address or an error that nobody caught, is answered in the shape of the face that
    was asked. Who has no token learns nothing of the methods that an address takes. It stands above all other
    middleware, which lets these requests pass (`pages_only`).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request of the API; pass all others on."""
        if not is_api(request):
            passed_on: HttpResponseBase | Awaitable[HttpResponseBase] = self.get_response(request)
            return passed_on
        return self._answer_async(request) if self._is_async else self._answer(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the answer of a view of the API that failed."""
        return face_of(request)(request, problem_of(exception)) if is_api(request) else None

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        began = _begin(request)
        try:
            response = _refuse_host(request) or self.get_response(request)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                caller_of(request)
        except Exception as error:
            response = face_of(request)(request, problem_of(error))
        return _finish(request, response, began)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        began = _begin(request)
        try:
            response = _refuse_host(request) or await self.get_response(request)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                await authenticate(request)
        except CancelledError:
            _log(request, "request_cancelled", began)
            raise
        except Exception as error:
            response = face_of(request)(request, problem_of(error))
        return _finish(request, response, began)


def _begin(request: HttpRequest) -> float:
    """Bind the request's id to the lines of the log, and return the time."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id_of(request))
    return time.perf_counter()


def _refuse_host(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to who names a host that is not ours."""
    try:
        request.get_host()
    except DisallowedHost:
        return face_of(request)(request, Problem(400, "The Host header names no host of this server."))
    return None


def _finish(request: HttpRequest, response: HttpResponseBase, began: float) -> HttpResponseBase:
    response = _shaped(request, response)
    response.headers[HEADER] = request_id_of(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    if isinstance(response, HttpResponse):
        response.headers.setdefault("Content-Length", str(len(response.content)))
    allowance = allowance_of(request)
    if allowance is not None:
        for name, value in allowance.headers().items():
            response.headers.setdefault(name, value)
    _log(request, "request_finished", began, code=response.status_code)
    return response


def _shaped(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return `response`, or the same error in the face's shape where Django made a page of it."""
    if response.status_code < 400 or response.headers.get("Content-Type", "").startswith("application/json"):
        return response
    shaped = face_of(request)(request, problem_of_status(response.status_code))
    for name in _KEPT_HEADERS:
        if name in response.headers:
            shaped.headers[name] = response.headers[name]
    return shaped


def _log(request: HttpRequest, event: str, began: float, **facts: Any) -> None:
    """Write the one line of a request. The query may hold what a user searches for, so the path alone is told."""
    caller = known_caller(request)
    if caller is not None:
        facts |= {"user_id": caller.user.pk, "token_id": caller.token.pk}
    milliseconds = round(1000 * (time.perf_counter() - began), 1)
    level = settings.DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL
    log.log(level, event, request=f"{request.method} {request.path}", milliseconds=milliseconds, **facts)
