"""What the assembled API needs besides its routes: bodies, errors, threads. `arboretum.api` refers to it by name."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial, wraps
from typing import Any

import orjson
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.utils.datastructures import MultiValueDict
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from credentials.api.bodies import body_of
from credentials.api.callers import authenticate
from credentials.api.errors import Problem, native_error, native_response
from credentials.api.once import once
from credentials.api.threads import at_length, in_database
from workers.errors import InvalidInput
from workers.json_values import MAX_DEPTH, has_nul, may_lose_digits, may_repeat_key, strict_reason, survey

from .routes import Later, Lengthy, json_response

# Where pydantic's own words would not help a caller.
_WORDS = {
    "missing": "is needed",
    "extra_forbidden": "there is no such field",
}


class JsonParser(Parser):
    """Reads bodies by the rules of stored JSON: no key twice, no number that loses digits, no NUL."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body's value. Raises InvalidInput."""
        return parse_json(request.body)

    def parse_querydict(self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest) -> Any:
        """Return the values of a query or a form. Raises InvalidInput for a NUL, which no database stores."""
        for name, values in data.lists():
            if any("\0" in text for text in (name, *values) if isinstance(text, str)):
                raise InvalidInput(f"{name.replace(chr(0), '')}: NUL characters are not allowed")
        return super().parse_querydict(data, list_fields, request)


def parse_json(raw: bytes) -> Any:
    """Return the JSON value that `raw` holds. Raises InvalidInput where it could not be stored as it is."""
    try:
        value = orjson.loads(raw)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(f"body: is not JSON that can be read: {error}") from None
    found = survey(value)
    if found.depth > MAX_DEPTH:
        raise InvalidInput(f"body: is nested deeper than {MAX_DEPTH}")
    if has_nul(raw):
        raise InvalidInput("body: NUL characters are not allowed")
    # A pretty-printed body has more places where a key may end than a line of JSONL.
    if may_repeat_key(raw, found.keys) or may_lose_digits(raw):
        reason = strict_reason(raw)
        if reason is not None:
            raise InvalidInput(f"body: {reason}")
    return value


def handle_errors(api: NinjaAPI) -> None:
    """Have `api` answer every exception in the native shape."""
    handler: Any = _answer_error
    # django-ninja has handlers of its own for the last three.
    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, handler)


def _answer_error(request: HttpRequest, error: Exception) -> HttpResponseBase:
    match error:
        case ValidationError():
            return native_response(request, _problem_of_fields(error))
        case HttpError() if isinstance(error.__cause__, Exception):
            return _answer_error(request, error.__cause__)
        case HttpError():
            return native_response(request, Problem(error.status_code, str(error)))
    return native_error(request, error)


def _problem_of_fields(error: ValidationError) -> Problem:
    """Return the first of the fields that are wrong, and how many more there are."""
    first, *others = error.errors
    field = _place(first["loc"])
    more = f" (and {len(others)} more)" if others else ""
    return Problem(422, f"{field}: {_words(first)}{more}", field)


def _place(location: Iterable[Any]) -> str:
    """Return where a field is, as `limits.max_cost` or `rows[3]`, without where ninja found it."""
    source, *names = location
    # A body has the name of the function's parameter first.
    names = names[1:] if source in ("body", "form", "file") and len(names) > 1 else names
    text = ""
    for name in names:
        text += f"[{name}]" if isinstance(name, int) else f".{name}"
    return text.removeprefix(".") or str(source)


def _words(found: dict[str, Any]) -> str:
    said = _WORDS.get(found["type"]) or str(found["msg"])
    return said[0].lower() + said[1:]


def in_threads(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """Return `patterns` with their views, which are synchronous, run by `in_database`."""
    found = list(patterns)
    for pattern in found:
        if isinstance(pattern, URLPattern):
            pattern.callback = _in_thread(pattern.callback)
    return found


def _in_thread(view: Callable[..., HttpResponseBase]) -> Callable[..., Awaitable[HttpResponseBase]]:
    def answer(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
        try:
            if "\0" in request.path_info:
                raise InvalidInput("The address holds a NUL character.")
            if request.content_type != "multipart/form-data":
                request._body = body_of(request)
            return view(request, *args, **values)
        except Exception as error:
            return _answer_error(request, error)

    @wraps(view, updated=())
    async def view_in_thread(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
        response = await in_database(answer, request, *args, **values)
        if isinstance(response, Lengthy):
            return await at_length(_worked, request, response)
        if not isinstance(response, Later):
            return response
        if request.method != "POST":
            return await _awaited(request, response)
        try:
            caller = await authenticate(request)
            return await once(request, caller, partial(_awaited, request, response))
        except Exception as error:
            return _answer_error(request, error)

    marked: Any = view_in_thread
    marked.csrf_exempt = True
    # Who calls is told by the token.
    marked.login_required = False
    return view_in_thread


def _worked(request: HttpRequest, lengthy: Lengthy) -> HttpResponseBase:
    try:
        return lengthy.work()
    except Exception as error:
        return _answer_error(request, error)


async def _awaited(request: HttpRequest, later: Later) -> HttpResponseBase:
    try:
        result = await later.work()
        return await in_database(lambda: json_response(later.show(result)))
    except Exception as error:
        return _answer_error(request, error)
