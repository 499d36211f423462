"""What came of an attempt, as plain values on their way to the database."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from agents.llm.types import Usage
from batches.models import AttemptOutcome, RunEventKind
from batches.states import RunState

from .claims import ClaimedRun


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of the attempt that is worth keeping."""

    kind: RunEventKind
    data: dict[str, Any]
    at: datetime


@dataclass(slots=True)
class Spent:
    """What an attempt has used so far; filled in as the runner's events come, so that a cut attempt is priced too."""

    started_at: datetime
    model: str
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    steps: int = 0
    latency_ms: int = 0
    first_token_ms: int | None = None
    request_id: str = ""
    # Whether `model` is one of several that could have answered, and whether it was not called: its answer was kept.
    is_pooled: bool = False
    is_cached: bool = False
    events: list[EventRecord] = field(default_factory=list)

    @property
    def has_details(self) -> bool:
        """Whether there is more to store of it than of most."""
        return self.is_pooled or self.is_cached or bool(self.usage.cached_tokens or self.usage.reasoning_tokens)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended and what becomes of its run.

    `state` is the run's next state: terminal, or back to pending or queued, then due again after `delay` seconds.
    `tries` is the run's count of tries from now on. `pause_reason` says why the run's batch cannot go on.
    """

    run: ClaimedRun
    worker: str
    spent: Spent
    kind: AttemptOutcome
    state: RunState
    tries: int
    delay: float = 0.0
    output: str | None = None
    parsed_json: str | None = None
    completion_json: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    pause_reason: str | None = None

    @property
    def size(self) -> int:
        """Roughly how many characters it takes to the database."""
        texts = (self.output, self.parsed_json, self.completion_json, self.error_message)
        return sum(len(text) for text in texts if text)

    @property
    def has_details(self) -> bool:
        """Whether there is more to store of it than of most."""
        return self.completion_json is not None or self.spent.has_details
