"""What stands before each model call: it may wait, and it is told how the call ended.

The runner knows no limits. Whoever drives it passes a meter that keeps them; without one calls start at once.
"""

from typing import Protocol

from .llm.types import Completion, CompletionRequest


class Meter(Protocol):
    """Admits the calls of one run, one after the other."""

    async def admit(self, request: CompletionRequest) -> float:
        """Return when the call may start; the seconds waited do not count against the run's time."""
        ...

    def finished(self, completion: Completion, seconds: float) -> None:
        """The call that was admitted last was answered after `seconds`, or was refused and billed all the same."""
        ...

    def failed(self, error: BaseException, seconds: float) -> None:
        """The call that was admitted last ended without an answer: a WorkError, or it was cut off."""
        ...


class Unmetered:
    """Admits every call at once and counts nothing."""

    async def admit(self, request: CompletionRequest) -> float:
        """Return 0."""
        return 0.0

    def finished(self, completion: Completion, seconds: float) -> None:
        """Do nothing."""

    def failed(self, error: BaseException, seconds: float) -> None:
        """Do nothing."""
