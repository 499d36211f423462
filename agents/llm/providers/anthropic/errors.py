"""Sorts what Anthropic's API answers into Arboretum's error codes.

Types, statuses and codes: https://platform.claude.com/docs/en/api/errors, and the SDK's `types/shared`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from agents.llm.http.messages import clean_message
from agents.llm.http.refusals import USUAL_STATUSES, code_of_status, refusal
from workers.errors import ErrorCode, WorkError

from .limits import told_headers

# `error.details.error_code`: the exact cause, where there is one.
_BY_CAUSE = {
    "enforced_spend_limit_reached": ErrorCode.QUOTA_EXHAUSTED,
    "contract_spend_limit_reached": ErrorCode.QUOTA_EXHAUSTED,
    "linked_organization_spend_limit_reached": ErrorCode.QUOTA_EXHAUSTED,
    "linked_organization_billing_unavailable": ErrorCode.QUOTA_EXHAUSTED,
    "organization_on_hold": ErrorCode.INVALID_KEY,
    "request_body_too_large_after_decoding": ErrorCode.CONTEXT_LENGTH,
}
_BY_TYPE = {
    "authentication_error": ErrorCode.INVALID_KEY,
    "permission_error": ErrorCode.INVALID_KEY,
    "billing_error": ErrorCode.QUOTA_EXHAUSTED,
    "not_found_error": ErrorCode.NOT_FOUND,
    # More bytes than the API takes: it never fits, as a prompt that is too long.
    "request_too_large": ErrorCode.CONTEXT_LENGTH,
    "rate_limit_error": ErrorCode.RATE_LIMITED,
    "timeout_error": ErrorCode.TIMEOUT,
    "api_error": ErrorCode.SERVER_ERROR,
    "overloaded_error": ErrorCode.OVERLOADED,
    "invalid_request_error": ErrorCode.INVALID_REQUEST,
}
_BY_STATUS = {**USUAL_STATUSES, 413: ErrorCode.CONTEXT_LENGTH, 504: ErrorCode.TIMEOUT}
# The API says these with the type of any bad request, or of a rate limit.
_PHRASES = (
    ("prompt is too long", ErrorCode.CONTEXT_LENGTH),
    ("exceed context limit", ErrorCode.CONTEXT_LENGTH),
    ("context window", ErrorCode.CONTEXT_LENGTH),
    ("credit balance is too low", ErrorCode.QUOTA_EXHAUSTED),
    ("api usage limits", ErrorCode.QUOTA_EXHAUSTED),
    ("content filtering policy", ErrorCode.CONTENT_POLICY),
    ("usage policy", ErrorCode.CONTENT_POLICY),
)
_VAGUE = (None, ErrorCode.INVALID_REQUEST, ErrorCode.RATE_LIMITED)


def error_of_response(status: int, headers: Mapping[str, str], body: bytes, secret: str) -> WorkError:
    """Return the error that a response other than 2xx stands for.

    `body` may be cut; `secret` is the key, which a message never shows.
    """
    detail = _detail(body)
    message = str(detail.get("message") or "")
    code = _by_body(detail, message) or code_of_status(status, body, _BY_STATUS)
    if detail and code is ErrorCode.INVALID_REQUEST:
        # Gateways that speak this API give the type of a bad request to refused keys as well.
        code = _BY_STATUS.get(status, code)
    limits = told_headers(headers) if status == 429 else {}
    # Of the body nothing but its words: the wait stands in a header.
    said = {"message": message} if detail else {}
    # Limits are kept for each model; a refusal that tells none is taken to mean the key.
    return refusal(code, status, headers, said, secret, limits=limits, is_of_one_model=bool(limits))


def error_of_event(error: Any, secret: str) -> WorkError:
    """Return the error that the field `error` of an event, or of an answer with status 200, stands for."""
    detail = error if isinstance(error, dict) else {"message": str(error)}
    message = str(detail.get("message") or "")
    code = _by_body(detail, message) or ErrorCode.SERVER_ERROR
    return WorkError(code, clean_message(message, secret) or "the provider reported an error without a message")


def _detail(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {"message": str(error)} if error else {}


def _by_body(detail: dict[str, Any], message: str) -> ErrorCode | None:
    details = detail.get("details")
    cause = details.get("error_code") if isinstance(details, dict) else None
    if isinstance(cause, str) and cause in _BY_CAUSE:
        return _BY_CAUSE[cause]
    kind = detail.get("type")
    code = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    words = message.lower()
    found = next((told for phrase, told in _PHRASES if phrase in words), None) if code in _VAGUE else None
    return found or code
