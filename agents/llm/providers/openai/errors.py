"""Sorts what an OpenAI-compatible server answers into Arboretum's error codes.

Statuses, codes and types: https://platform.openai.com/docs/guides/error-codes; what compatible servers say
differently is recognised by its words.
"""

import re
from collections.abc import Mapping
from typing import Any

from agents.llm.http.messages import LONGEST_MESSAGE, clean_message
from agents.llm.http.refusals import USUAL_STATUSES, code_of_status, refusal
from agents.llm.rate_headers import rate_limit_headers
from workers.errors import ErrorCode, WorkError

from .error_body import read_error

# What the body says outweighs the status: servers send these with 400, 403, 404 and 429 alike.
_NAMED = {
    "insufficient_quota": ErrorCode.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": ErrorCode.QUOTA_EXHAUSTED,
    "billing_not_active": ErrorCode.QUOTA_EXHAUSTED,
    "context_length_exceeded": ErrorCode.CONTEXT_LENGTH,
    "content_filter": ErrorCode.CONTENT_POLICY,
    "content_policy_violation": ErrorCode.CONTENT_POLICY,
    "invalid_prompt": ErrorCode.CONTENT_POLICY,
    "invalid_api_key": ErrorCode.INVALID_KEY,
    "authentication_error": ErrorCode.INVALID_KEY,
    "model_not_found": ErrorCode.NOT_FOUND,
    "rate_limit_exceeded": ErrorCode.RATE_LIMITED,
    "overloaded_error": ErrorCode.OVERLOADED,
    "API_KEY_INVALID": ErrorCode.INVALID_KEY,
    "DeploymentNotFound": ErrorCode.NOT_FOUND,
    # What the model wrote is at fault, and it may write better the next time:
    # https://console.groq.com/docs/structured-outputs, https://console.groq.com/docs/tool-use
    "json_validate_failed": ErrorCode.BAD_RESPONSE,
    "tool_use_failed": ErrorCode.BAD_RESPONSE,
}
_CONTEXT_PHRASES = (
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "exceeds the maximum number of tokens",
)
# "Request too large for gpt-4o ... on tokens per min (TPM): Limit 30000, Requested 90000": it never fits, so waiting
# helps nobody. OpenAI says so with 429 and Groq with 413, both by the name of a rate limit.
_TOO_LARGE_PHRASE = "request too large"
_LIMIT_AND_REQUESTED = re.compile(r"\blimit:? (\d[\d,]{0,20}).{0,60}?\brequested:? (\d[\d,]{0,20})", re.ASCII)
_POLICY_PHRASES = ("content policy", "content management policy", "usage policies", "input was flagged")
# A server that tells limits with its refusal keeps them for each model, as OpenAI does
# (https://platform.openai.com/docs/guides/rate-limits); where it tells none, the refusal is taken to mean the key.
_LIMITS_OF_THE_MODEL = ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens")


def error_of_response(status: int, headers: Mapping[str, str], body: bytes, secret: str) -> WorkError:
    """Return the error that a response other than 2xx stands for.

    `body` may be cut; `secret` is the key, which a message never shows.
    """
    detail = read_error(body)
    message = str(detail.get("message") or "")
    code = _by_body(status, detail, message) or code_of_status(status, body, USUAL_STATUSES)
    limits = rate_limit_headers(headers) if status == 429 else {}
    is_of_one_model = any(name in limits for name in _LIMITS_OF_THE_MODEL)
    return refusal(code, status, headers, detail, secret, limits=limits, is_of_one_model=is_of_one_model)


def error_of_event(error: Any, secret: str) -> WorkError:
    """Return the error that the field `error` of an answer with status 200, or of a stream's event, stands for."""
    detail = error if isinstance(error, dict) else {"message": str(error)}
    message = str(detail.get("message") or "")
    status = detail.get("code")
    status = status if isinstance(status, int) and 400 <= status <= 599 else 500
    code = _by_body(status, detail, message) or _by_words(400, message) or code_of_status(status, b"{", USUAL_STATUSES)
    return WorkError(code, clean_message(message, secret) or "the provider reported an error without a message")


def _by_body(status: int, detail: dict[str, Any], message: str) -> ErrorCode | None:
    named = _named(detail)
    may_be_too_large = named is ErrorCode.RATE_LIMITED or (named is None and status in (413, 429))
    if may_be_too_large and _is_too_large(message):
        return ErrorCode.CONTEXT_LENGTH
    return named or _by_words(status, message)


def _is_too_large(message: str) -> bool:
    words = message[: 4 * LONGEST_MESSAGE].lower()
    found = _LIMIT_AND_REQUESTED.search(words)
    if found is not None:
        limit, requested = (int(number.replace(",", "")) for number in found.groups())
        return requested > limit
    return _TOO_LARGE_PHRASE in words


def _named(detail: dict[str, Any]) -> ErrorCode | None:
    for field in ("code", "type", "reason"):
        name = detail.get(field)
        if isinstance(name, str) and name in _NAMED:
            return _NAMED[name]
    return None


def _by_words(status: int, message: str) -> ErrorCode | None:
    if status not in (400, 403, 413, 422):
        return None
    words = message.lower()
    if any(phrase in words for phrase in _CONTEXT_PHRASES):
        return ErrorCode.CONTEXT_LENGTH
    return ErrorCode.CONTENT_POLICY if any(phrase in words for phrase in _POLICY_PHRASES) else None
