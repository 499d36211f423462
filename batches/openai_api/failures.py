"""A run that brought no answer, as an error of OpenAI's shape.

Workers have tried it again already as often as makes sense, so the client is told not to: `x-should-retry: false`,
which its retries obey.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from batches.news import FinishedRun
from workers.errors import ErrorCode

from .errors import ApiError

NO_RETRY = {"x-should-retry": "false"}
# Told with a 429 where nobody knows better.
RETRY_AFTER_SECONDS = 10.0


class _Told(NamedTuple):
    status: int
    code: str | None = None
    param: str | None = None


# Others keep the run's own code.
_TOLD: Mapping[str, _Told] = {
    ErrorCode.RATE_LIMITED: _Told(429, "rate_limit_exceeded"),
    ErrorCode.INVALID_REQUEST: _Told(400),
    ErrorCode.CONTENT_POLICY: _Told(400, "content_policy_violation"),
    ErrorCode.CONTEXT_LENGTH: _Told(400, "context_length_exceeded", "messages"),
    ErrorCode.NOT_FOUND: _Told(404, "model_not_found", "model"),
    ErrorCode.SCHEMA_MISMATCH: _Told(422),
    ErrorCode.LIMIT_STEPS: _Told(422),
    ErrorCode.LIMIT_TOKENS: _Told(422),
    ErrorCode.LIMIT_COST: _Told(422),
    ErrorCode.LIMIT_SECONDS: _Told(504),
    ErrorCode.TIMEOUT: _Told(504),
    ErrorCode.EXPIRED: _Told(504),
    ErrorCode.OVERLOADED: _Told(503),
    ErrorCode.CANCELLED: _Told(409),
    ErrorCode.BUDGET: _Told(429, "insufficient_quota"),
    ErrorCode.POISON: _Told(500),
}
# The provider answered wrongly, or refused the key of the credential, which is not the caller's to put right.
_OTHERS = 502


def failure_of(run_id: int, finished: FinishedRun, wait: float = 0.0) -> ApiError:
    """Return the error that tells how a run failed; `wait` is in how many seconds its model may be called again."""
    code = finished.error_code or str(finished.state)
    told = _TOLD.get(code, _Told(_OTHERS))
    headers = {**NO_RETRY, "x-arboretum-run": str(run_id)}
    if told.status == 429:
        headers["retry-after"] = str(math.ceil(wait or RETRY_AFTER_SECONDS))
    message = finished.error_message or f"The run ended as {finished.state}."
    return ApiError(told.status, message, param=told.param, code=told.code or code, headers=headers)
