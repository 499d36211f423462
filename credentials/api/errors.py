"""What an exception means to who called, whichever face he called; and the native API's shape of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from redis.exceptions import RedisError

from credentials.idempotency import IdempotencyMismatch
from credentials.validation import error_text
from workers.errors import Conflict, InvalidInput, NotFound, ServerUnavailable, TooLarge

from .callers import Forbidden, TooMany, Unauthenticated
from .request_ids import request_id_of

log = structlog.get_logger(__name__)

# The stable codes of the native API by status; `Problem.code` may be more exact.
CODES: Mapping[int, str] = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "invalid",
    422: "invalid",
    429: "rate_limited",
    503: "unavailable",
}
UNAVAILABLE = "The database or Redis does not answer. Try again soon."
INTERNAL = "Something went wrong on our side. The log tells more, under the request's id."


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, in no face's shape yet: the status and message, the field at fault, headers of the answer."""

    status: int
    message: str
    field: str | None = None
    code: str = ""
    headers: Mapping[str, str] | None = None

    @property
    def native_code(self) -> str:
        """The stable code of the native API."""
        return self.code or CODES.get(self.status, "invalid" if self.status < 500 else "internal")


def problem_of(error: Exception) -> Problem:
    """Return what `error` means. What is our own fault is logged with its traceback, and its text told to nobody."""
    match error:
        case InvalidInput():
            return _problem_of_input(error)
        case ValidationError():
            return Problem(422, error_text(error), InvalidInput(error_text(error)).field)
        case Unauthenticated():
            return Problem(401, str(error), headers={"WWW-Authenticate": "Bearer"})
        case Forbidden():
            return Problem(403, str(error))
        case TooMany():
            return Problem(429, str(error), headers=error.allowance.headers())
        case Http404():
            return Problem(404, "There is nothing at this address.")
        case PermissionDenied():
            return Problem(403, "This is not allowed.")
        case MultiPartParserError():
            return Problem(422, "body: is not multipart/form-data that can be read")
        case RequestDataTooBig():
            return Problem(413, "The request is larger than may be.")
        case SuspiciousOperation():
            return Problem(400, "The request is malformed.")
    return _problem_of_server(error)


def native_response(request: HttpRequest, problem: Problem) -> JsonResponse:
    """Return `problem` in the native API's shape."""
    body = {
        "code": problem.native_code,
        "message": problem.message,
        "field": problem.field,
        "request_id": request_id_of(request),
    }
    return _quiet(JsonResponse({"error": body}, status=problem.status, headers=dict(problem.headers or {})))


def native_error(request: HttpRequest, error: Exception) -> JsonResponse:
    """Return what `error` means in the native API's shape: the one exception handler of that face."""
    return native_response(request, problem_of(error))


def problem_of_status(status: int) -> Problem:
    """Return the problem of an answer that Django made itself, of which only the status is told."""
    if status == HTTPStatus.NOT_FOUND:
        return Problem(status, "There is nothing at this address.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(status, INTERNAL)
    return Problem(status, HTTPStatus(status).phrase + ".")


def _problem_of_input(error: InvalidInput) -> Problem:
    match error:
        case NotFound():
            status = 404
        case Conflict():
            status = 409
        case TooLarge():
            status = 413
        case _:
            status = 422
    code = "idempotency_mismatch" if isinstance(error, IdempotencyMismatch) else ""
    return Problem(status, str(error), error.field, code)


def _problem_of_server(error: Exception) -> Problem:
    if isinstance(error, OperationalError | InterfaceError | RedisError | ServerUnavailable) or _is_of_the_engine(
        error
    ):
        log.warning("api_unavailable", error=type(error).__name__, exc_info=error)
        return Problem(503, UNAVAILABLE, headers={"Retry-After": "5"})
    log.error("api_failed", error=type(error).__name__, exc_info=error)
    return Problem(500, INTERNAL)


def _is_of_the_engine(error: Exception) -> bool:
    """Whether SQLAlchemy, which takes long to import, says that the database does not answer."""
    kind = type(error)
    return kind.__module__ == "sqlalchemy.exc" and kind.__name__ in ("OperationalError", "InterfaceError")


def _quiet(response: JsonResponse) -> JsonResponse:
    """Mark `response` as logged: Django would say of each error once more what the line of its request says."""
    marked: Any = response
    marked._has_been_logged = True
    return response
