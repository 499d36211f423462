"""Errors in OpenAI's shape, which raise the right classes in its client.

The shape, `{"error": {"message", "type", "param", "code"}}`, and which status raises which class, are told on
https://platform.openai.com/docs/guides/error-codes.
"""

import logging
import re
from collections.abc import Mapping

from django.db import InterfaceError, OperationalError
from django.http import JsonResponse
from redis.exceptions import RedisError

from credentials.api.callers import Forbidden, TooMany, Unauthenticated
from workers.errors import InvalidInput, ServerUnavailable

logger = logging.getLogger(__name__)

INVALID_REQUEST = "invalid_request_error"
AUTHENTICATION = "authentication_error"
PERMISSION = "permission_error"
NOT_FOUND = "not_found_error"
RATE_LIMIT = "rate_limit_error"
SERVER = "server_error"
_KINDS = {401: AUTHENTICATION, 403: PERMISSION, 404: NOT_FOUND, 429: RATE_LIMIT}
UNAVAILABLE_RETRY_SECONDS = 5
# A field, at most with places inside it, and what our messages put behind a field: `messages[0].role must be ...`.
_FIELD = re.compile(r"([a-z][a-z0-9_]*(?:\[\w+\]|\.[a-z][a-z0-9_]*)*)(?::? (?:must|is|may|can|has|holds|needs)\b|: )")


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Hold the HTTP status, the text for a person, the parameter at fault, and what the answer's headers add."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    """A request that is wrong in itself: 400."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, message, param=param, code=code)


def missing_parameter(name: str) -> BadRequest:
    """Return the error of a request without the parameter `name`."""
    return BadRequest(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """Return the JSON body of an error with this HTTP status."""
    kind = SERVER if status >= 500 else _KINDS.get(status, INVALID_REQUEST)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: Exception) -> JsonResponse:
    """Return the answer that `error` is told by. What nobody expected is logged, and its text stays here."""
    known = as_api_error(error)
    if known is None:
        logger.error("request_failed", exc_info=error)
        known = ApiError(500, "The server had an error while it processed the request.", code="internal")
    body = error_body(known.status, known.message, known.param, known.code)
    return JsonResponse(body, status=known.status, headers=known.headers)


def as_api_error(error: Exception) -> ApiError | None:
    """Return `error` as the error of an answer; None where it is none that was to be expected."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Unauthenticated):
        return ApiError(401, str(error), code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, Forbidden):
        return ApiError(403, str(error), code="insufficient_scope")
    if isinstance(error, TooMany):
        return ApiError(429, str(error), code="rate_limit_exceeded", headers=error.allowance.headers())
    if isinstance(error, InvalidInput):
        return BadRequest(str(error), field_of(str(error)))
    if isinstance(error, OperationalError | InterfaceError | RedisError | ServerUnavailable):
        logger.warning("server_unavailable", extra={"error": type(error).__name__})
        wait = {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)}
        return ApiError(503, "The service is not available at the moment.", code="unavailable", headers=wait)
    return None


def field_of(message: str) -> str | None:
    """Return the field that `message` begins with, else None."""
    found = _FIELD.match(message)
    return found[1] if found else None
