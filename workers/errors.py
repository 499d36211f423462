"""Every way in which work can fail, sorted once, where the error is born; everyone above reads the code."""

import re
from collections.abc import Mapping
from enum import StrEnum

_FIELD = re.compile(r"([a-z_][a-z0-9_]*(?:\[\w+\]|\.[a-z_][a-z0-9_]*)*)(?:: | must | is | at )")
_PRONOUNS = frozenset({"it", "that", "there", "this"})


class ErrorCategory(StrEnum):
    """Who has to act: time (transient), the user (permanent), or nobody, since Arboretum decided (system)."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    SYSTEM = "system"


class ErrorCode(StrEnum):
    """The code of a failed run, as it stands in results, filters and logs."""

    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    BAD_RESPONSE = "bad_response"
    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    CONTEXT_LENGTH = "context_length"
    INVALID_KEY = "invalid_key"
    QUOTA_EXHAUSTED = "quota_exhausted"
    NOT_FOUND = "not_found"
    SCHEMA_MISMATCH = "schema_mismatch"
    LIMIT_STEPS = "limit_steps"
    LIMIT_TOKENS = "limit_tokens"
    LIMIT_SECONDS = "limit_seconds"
    LIMIT_COST = "limit_cost"
    POISON = "poison"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BUDGET = "budget"

    @property
    def category(self) -> ErrorCategory:
        """The category this code belongs to."""
        if self in TRANSIENT_CODES:
            return ErrorCategory.TRANSIENT
        return ErrorCategory.SYSTEM if self in SYSTEM_CODES else ErrorCategory.PERMANENT


TRANSIENT_CODES = frozenset(
    {
        ErrorCode.RATE_LIMITED,
        ErrorCode.TIMEOUT,
        ErrorCode.CONNECTION,
        ErrorCode.SERVER_ERROR,
        ErrorCode.OVERLOADED,
        ErrorCode.BAD_RESPONSE,
    }
)
SYSTEM_CODES = frozenset({ErrorCode.POISON, ErrorCode.CANCELLED, ErrorCode.EXPIRED, ErrorCode.BUDGET})


class WorkError(Exception):
    """A classified failure of a piece of work. The base alone decides on retries, by `code.category`."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retry_after: float | None = None,
        is_of_one_model: bool = False,
        rate_limits: Mapping[str, str] | None = None,
    ) -> None:
        """Hold the error code, a message fit for a person, and the seconds the provider asked to wait, if it did.

        `is_of_one_model` says that the wait concerns the model that was called, and not all that the key may call.
        `rate_limits` holds the headers in which a refusal told its limits, names in lower case.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.is_of_one_model = is_of_one_model
        self.rate_limits: Mapping[str, str] = rate_limits or {}

    @property
    def is_transient(self) -> bool:
        """Whether the same call may go through later."""
        return self.code.category is ErrorCategory.TRANSIENT


class InvalidInput(ValueError):
    """What a person gave is wrong. The message names the field or line and says what is allowed."""

    @property
    def field(self) -> str | None:
        """The field that the message begins with ("name: ...", "weight is 0; ...", "messages[0].role must ...")."""
        found = _FIELD.match(str(self))
        return None if found is None or found[1] in _PRONOUNS else found[1]


class NotFound(InvalidInput):
    """What was asked for does not exist, or is not for who asks: nobody can tell which."""


class Conflict(InvalidInput):
    """What was asked for is not possible in the state that the thing is in now."""


class TooLarge(InvalidInput):
    """What was sent is larger than may be."""


class ServerUnavailable(RuntimeError):
    """A server that the stack needs (Redis, the database) is missing or does not answer; says what to do."""
