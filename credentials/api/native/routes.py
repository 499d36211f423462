"""How a route of the native API is declared.

A route is a plain function that takes the caller and what was given, and returns what is shown. All of a request
(who calls, validation, the function, JSON) happens in one thread that may use the database, one change of threads in
all: `in_threads` puts django-ninja's synchronous views behind it. So the event loop does nothing but pass bytes on.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from ninja.security.base import AuthBase
from pydantic import BaseModel

from credentials.api.callers import Caller, caller_of
from credentials.api.once import idempotent, put_slot
from workers.errors import InvalidInput

from .schemas import ErrorAnswer

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

# What any request may be answered with.
_ALWAYS = (401, 403, 404, 422, 429, 500, 503)
_OF_METHOD = {"POST": (409, 413), "PATCH": (409, 413), "PUT": (409, 413), "DELETE": (409,), "GET": ()}
IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "The same key with the same request within 24 hours gets the first answer again.",
}


class Later(HttpResponse):
    """The answer of a route that has to wait for something else than the database, in the event loop.

    `work` is awaited there; where the caller goes away it is cancelled. `show` is called with what it returned, again
    in a thread that may use the database, and returns what is shown.
    """

    def __init__(self, work: Callable[[], Awaitable[T]], show: Callable[[T], Any]) -> None:
        """Hold both."""
        super().__init__()
        self.work = work
        self.show = show


class Lengthy(HttpResponse):
    """The answer of a route that takes long: `work` is called in a thread that no short request waits for."""

    def __init__(self, work: Callable[[], HttpResponseBase]) -> None:
        """Hold it."""
        super().__init__()
        self.work = work


class ApiToken(AuthBase):
    """The bearer token, which must have one of `scopes`. Its name stands in the OpenAPI document."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scopes: Sequence[str]) -> None:
        """Ask for one of `scopes`."""
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> Caller:
        """Return who calls. Raises Unauthenticated, TooMany, Forbidden."""
        caller = caller_of(request)
        caller.require(*self.scopes)
        return caller


class Routes:
    """The routes of one kind of thing: `routes.get("/agents", ...)` declares one on `routes.router`."""

    def __init__(self, tag: str) -> None:
        """Group them under `tag` in the documentation."""
        self.router = Router(tags=[tag])

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a read; options as those of `add`."""
        return self.add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a creation or a verb; options as those of `add`."""
        return self.add("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a change of what is given; options as those of `add`."""
        return self.add("PATCH", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a replacement; options as those of `add`."""
        return self.add("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """Declare a removal; options as those of `add`."""
        return self.add("DELETE", path, **options)

    def add(
        self,
        method: str,
        path: str,
        *,
        scopes: str | Sequence[str],
        shows: Any,
        summary: str,
        status: int = 200,
        in_transaction: bool = True,
        takes_long: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> Callable[[F], F]:
        """Declare a route; its operationId is the function's name, its description the function's docstring.

        The token must have one of `scopes`. `shows` is the schema of the answer, which has `status`; None: no body.
        A POST with an `Idempotency-Key` runs in one transaction with the storing of its answer, but for one that is not
        `in_transaction`, since it takes long or calls others. One that `takes_long`, since it reads or writes all rows
        of a batch, has threads of its own: however many are asked for, short requests go on. `extra` is merged into
        the operation of the OpenAPI document.
        """
        needed = (scopes,) if isinstance(scopes, str) else tuple(scopes)
        errors = {*_ALWAYS, *_OF_METHOD[method]}

        def declare(function: F) -> F:
            view = _view(function, status, in_transaction, takes_long)
            operation = {**(extra or {}), "x-scopes": list(needed)}
            if method == "POST":
                operation["parameters"] = [*operation.get("parameters", ()), IDEMPOTENCY_PARAMETER]
            told = " or ".join(f"`{scope}`" for scope in needed)
            self.router.add_api_operation(
                path,
                [method],
                view,
                auth=ApiToken(needed),
                response={status: shows, frozenset(errors): ErrorAnswer},
                operation_id=_camel(function.__name__),
                summary=summary,
                description=f"{inspect.cleandoc(function.__doc__ or '')}\n\nScope: {told}.",
                openapi_extra=operation,
            )
            return function

        return declare


def json_response(data: Any, status: int = 200) -> HttpResponse:
    """Return `data`, a schema or what JSON has, as an answer."""
    body = data.model_dump_json().encode() if isinstance(data, BaseModel) else orjson.dumps(data)
    return HttpResponse(body, status=status, content_type="application/json")


def _view(
    function: Callable[..., Any], status: int, in_transaction: bool, takes_long: bool
) -> Callable[..., HttpResponseBase]:
    """Return `function` as django-ninja calls it: with the request in the place of the caller.

    A function that has a parameter `request` reads the body itself.
    """

    @wraps(function)
    def view(request: HttpRequest, **values: Any) -> HttpResponseBase:
        _refuse_unknown_parameters(request, view)
        if takes_request:
            values["request"] = request
        caller: Caller = request.auth  # type: ignore[attr-defined]
        work = partial(_answer, partial(function, caller, **values), status)
        if "HTTP_IDEMPOTENCY_KEY" in request.META:
            work = partial(_once, request, caller, work, in_transaction)
        return Lengthy(work) if takes_long else work()

    signature = inspect.signature(function)
    first, *rest = signature.parameters.values()
    takes_request = "request" in signature.parameters
    others = [parameter for parameter in rest if parameter.name != "request"]
    own = inspect.Parameter("request", first.kind, annotation=HttpRequest)
    view.__signature__ = signature.replace(parameters=[own, *others])  # type: ignore[attr-defined]
    return view


def _answer(function: Callable[[], Any], status: int) -> HttpResponseBase:
    result = function()
    if isinstance(result, HttpResponseBase):
        return result
    return HttpResponse(status=status) if result is None else json_response(result, status)


def _once(
    request: HttpRequest, caller: Caller, work: Callable[[], HttpResponseBase], in_transaction: bool
) -> HttpResponseBase:
    """Return the answer of `work`, a POST, or the one that it had before. Who awaits a `Later` sees to it there."""
    if request.method != "POST":
        return work()
    with idempotent(request, caller, in_transaction=in_transaction) as slot:
        if slot.stored is not None:
            return slot.stored
        put_slot(request, slot)
        response = work()
        return response if isinstance(response, Later) else slot.keep(response)


def _refuse_unknown_parameters(request: HttpRequest, view: Any) -> None:
    """Raise InvalidInput for a parameter of the query that the route does not know: a filter that filters nothing."""
    if not request.GET:
        return
    models = view._ninja_operation.models
    known = {
        name for model in models if model.__ninja_param_source__ == "query" for name in model.__ninja_flatten_map__
    }
    for name in request.GET:
        if name not in known:
            allowed = f"allowed: {', '.join(sorted(known))}" if known else "this takes none"
            raise InvalidInput(f"{name[:100]!r} is no parameter here; {allowed}.")


def _camel(name: str) -> str:
    """Return a function's name as an operationId: `start_run` is `startRun`."""
    first, *others = name.strip("_").split("_")
    return first + "".join(map(str.title, others))
