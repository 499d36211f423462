"""Errors in OpenAI's shape, which raise the right classes in its client.

The shape, `{"error": {"message", "type", "param", "code"}}`, and which status raises which class, are told on
https://platform.openai.com/docs/guides/error-codes.
"""

from collections.abc import Mapping

from django.http import HttpRequest, JsonResponse

from credentials.api.errors import Problem, problem_of

INVALID_REQUEST = "invalid_request_error"
SERVER = "server_error"
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
# What is wrong in the request is 422 in the native API, and 400 here.
_STATUSES = {422: 400}
_CODES = {401: "invalid_api_key", 403: "insufficient_scope", 405: "method_not_allowed", 429: "rate_limit_exceeded"}


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
    kind = SERVER if status >= 500 else _TYPES.get(status, INVALID_REQUEST)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: Exception) -> JsonResponse:
    """Return the answer that `error` is told by. What nobody expected is logged, and its text stays here."""
    return _response(as_api_error(error))


def problem_response(request: HttpRequest, problem: Problem) -> JsonResponse:
    """Return `problem`, whatever found it, in OpenAI's shape."""
    return _response(_from_problem(problem))


def as_api_error(error: Exception) -> ApiError:
    """Return `error` as the error of an answer. InvalidInput names the parameter by the field it begins with."""
    return error if isinstance(error, ApiError) else _from_problem(problem_of(error))


def _from_problem(problem: Problem) -> ApiError:
    status = _STATUSES.get(problem.status, problem.status)
    code = problem.code or _CODES.get(status)
    return ApiError(status, problem.message, param=problem.field, code=code, headers=problem.headers)


def _response(error: ApiError) -> JsonResponse:
    body = error_body(error.status, error.message, error.param, error.code)
    return JsonResponse(body, status=error.status, headers=error.headers)
