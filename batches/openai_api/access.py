"""How a request comes to its handler: whose it is, by which method, and what its token may do."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Protocol

import orjson
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from credentials.api.bodies import body_of
from credentials.api.callers import authenticate, caller_of
from credentials.api.threads import in_database
from workers.json_values import MOST_CONTAINERS, is_too_full

from .errors import ApiError, BadRequest, error_response

AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


class Answering(Protocol):
    """What answers one method of an address."""

    async def answer(self, request: HttpRequest, **captured: Any) -> HttpResponseBase:
        """Return the answer. What it raises is told in OpenAI's shape."""


@dataclass(frozen=True)
class Handler:
    """What answers one method of an address, and the scopes of which a token needs one."""

    scopes: tuple[str, ...]
    function: Callable[..., Any]

    async def answer(self, request: HttpRequest, **captured: Any) -> HttpResponseBase:
        """Return the function's answer. Raises what `authenticate` raises, and Forbidden without one of the scopes."""
        if not iscoroutinefunction(self.function):
            return await in_database(self._answer_in_thread, request, **captured)
        caller = await authenticate(request)
        caller.require(*self.scopes)
        response: HttpResponseBase = await self.function(request, caller, **captured)
        return response

    def _answer_in_thread(self, request: HttpRequest, **captured: Any) -> HttpResponseBase:
        caller = caller_of(request)
        caller.require(*self.scopes)
        response: HttpResponseBase = self.function(request, caller, **captured)
        return response


def needs(*scopes: str) -> Callable[[Callable[..., Any]], Handler]:
    """Make `f(request, caller, **captured)` a handler that needs one of `scopes`.

    A plain function is called in a thread that may use the database, in the same go in which the token is looked up.
    An `async def` is awaited after that.
    """

    def decorate(function: Callable[..., Any]) -> Handler:
        return Handler(scopes, function)

    return decorate


def serve(**handlers: Answering) -> AsyncView:
    """Return the view of an address, one handler a method: `serve(GET=..., POST=...)`.

    Who has no token learns nothing of the methods. All errors have OpenAI's shape.
    """

    async def view(request: HttpRequest, **captured: Any) -> HttpResponseBase:
        try:
            handler = handlers.get(request.method or "")
            if handler is None:
                await authenticate(request)
                raise _method_error(request, ", ".join(handlers))
            return await handler.answer(request, **captured)
        except Exception as error:
            return error_response(error)

    exempt: AsyncView = csrf_exempt(login_not_required(view))
    return exempt


def _method_error(request: HttpRequest, allowed: str) -> ApiError:
    message = f"Not allowed: {request.method} on {request.path}; allowed are {allowed}."
    return ApiError(405, message, code="method_not_allowed", headers={"Allow": allowed})


def read_json(request: HttpRequest) -> dict[str, Any]:
    """Return the request's body, a JSON object. Raises BadRequest where it is none, and TooLarge."""
    raw = body_of(request) or b"null"
    if is_too_full(raw):
        raise BadRequest(f"The body has more than {MOST_CONTAINERS:,} objects and lists.", code="invalid_json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return body


def json_response(body: Any, status: int = 200) -> HttpResponse:
    """Return `body` as an answer."""
    return HttpResponse(orjson.dumps(body), status=status, content_type="application/json")
