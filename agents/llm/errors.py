"""Failures of a model call that the shared codes do not say everything about."""

from agents.llm.types import Usage
from workers.errors import ErrorCode, WorkError


class BilledError(WorkError):
    """A failure that came with an answer, so that the provider bills it. `usage` says for how many tokens."""

    def __init__(self, code: ErrorCode, message: str, usage: Usage) -> None:
        """Hold the code, the message and what the failed call used."""
        super().__init__(code, message)
        self.usage = usage
