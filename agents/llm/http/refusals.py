"""What all errors of a response have in common, once its provider has sorted it."""

from collections.abc import Mapping
from typing import Any

from agents.llm.errors import ResponseError
from workers.errors import ErrorCode

from .messages import clean_message
from .retry_after import MAX_RETRY_AFTER, parse_retry_after

# 402 and 529 are no standard's; they are said all the same.
USUAL_STATUSES: Mapping[int, ErrorCode] = {
    401: ErrorCode.INVALID_KEY,
    402: ErrorCode.QUOTA_EXHAUSTED,
    403: ErrorCode.INVALID_KEY,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.TIMEOUT,
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.OVERLOADED,
    529: ErrorCode.OVERLOADED,
}
_TOLD_TO_WAIT = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED, ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT})


def refusal(
    code: ErrorCode,
    status: int,
    headers: Mapping[str, str],
    detail: Mapping[str, Any],
    secret: str,
    *,
    limits: Mapping[str, str],
    is_of_one_model: bool,
) -> ResponseError:
    """Return the error of `code`; it holds the wait that is asked for where waiting helps.

    `detail` is what the body says, empty where it is not an API's: `message`, out of which `secret`, the key, is taken,
    and `retry_after` in seconds, which the headers outweigh. `limits` are those told with it.
    """
    said = clean_message(str(detail.get("message") or ""), secret)
    return ResponseError(
        code,
        f"HTTP {status}: {said}" if said else f"HTTP {status}",
        retry_after=_wait(headers, detail) if code in _TOLD_TO_WAIT else None,
        is_of_one_model=code is ErrorCode.RATE_LIMITED and is_of_one_model,
        rate_limits=limits,
        status=status,
        is_json=bool(detail),
    )


def _wait(headers: Mapping[str, str], detail: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait that the headers tell, else those of the body."""
    told = parse_retry_after(headers)
    return min(detail["retry_after"], MAX_RETRY_AFTER) if told is None and "retry_after" in detail else told


def code_of_status(status: int, body: bytes, known: Mapping[int, ErrorCode]) -> ErrorCode:
    """Return the code of a response whose body says nothing; `known` are the statuses that a provider gives a meaning.

    A 403 concerns the key where its body is JSON, as an API's own refusals are (Gemini's in a list); any other body,
    such as a page of HTML, comes from a firewall in front of the API that dislikes this one request.
    """
    if status == 403 and not body.lstrip().startswith((b"{", b"[")):
        return ErrorCode.INVALID_REQUEST
    return known.get(status) or (ErrorCode.SERVER_ERROR if status >= 500 else ErrorCode.INVALID_REQUEST)
