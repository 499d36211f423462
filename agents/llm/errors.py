"""Failures of a model call that the shared codes do not say everything about."""

from collections.abc import Mapping
from enum import StrEnum

from agents.llm.types import Usage
from workers.errors import ErrorCode, WorkError


class BilledError(WorkError):
    """A failure that came with an answer, so that the provider bills it. `usage` says for how many tokens."""

    def __init__(self, code: ErrorCode, message: str, usage: Usage) -> None:
        """Hold the code, the message and what the failed call used."""
        super().__init__(code, message)
        self.usage = usage


class ConnectionFault(StrEnum):
    """Why a connection failed."""

    DNS = "dns"
    TLS = "tls"
    REFUSED = "refused"
    OTHER = "other"


class ConnectionFailed(WorkError):
    """A connection that failed; `fault` says why."""

    def __init__(self, message: str, fault: ConnectionFault) -> None:
        """Hold the message and the reason."""
        super().__init__(ErrorCode.CONNECTION, message)
        self.fault = fault


class ResponseError(WorkError):
    """What a server answered in place of what was asked for.

    `status` is that of HTTP; `is_json` says whether the body was an API's, and not a page or nothing at all.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retry_after: float | None,
        is_of_one_model: bool,
        rate_limits: Mapping[str, str],
        status: int,
        is_json: bool,
    ) -> None:
        """Hold what a WorkError does, the status and the form of the body."""
        super().__init__(
            code, message, retry_after=retry_after, is_of_one_model=is_of_one_model, rate_limits=rate_limits
        )
        self.status = status
        self.is_json = is_json
