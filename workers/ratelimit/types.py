"""What goes into an exchange with the limiter and what comes out."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Bucket:
    """What limits are kept for: a model as called with one credential (its id)."""

    credential: int
    model: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The configured limits of a bucket; None: no such limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None


class Binding(StrEnum):
    """What keeps calls waiting."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    CONCURRENCY = "concurrency"
    ADAPTIVE = "adaptive"
    BREAKER = "breaker"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Report:
    """What happened in this process and bucket since the last exchange; `in_flight` and `waiting` are as of now."""

    # Calls that were granted and have not ended, whether started or waiting for their start.
    in_flight: int = 0
    # Calls wanted and not granted, those of this exchange included.
    waiting: int = 0
    # Tokens charged minus tokens reserved, summed over the calls that ended.
    tokens: int = 0
    succeeded: int = 0
    # Answers that the provider is overloaded (503, 529). They are counted in `failed` too.
    overloaded: int = 0
    # Server errors, timeouts and lost connections.
    failed: int = 0
    # Answers 429.
    refused: int = 0
    # Mean over the ended calls of latency in seconds / (50 + output tokens); None: none ended.
    slowness: float | None = None
    # Mean latency of the ended calls in seconds.
    latency: float | None = None
    # Limits per minute that `x-ratelimit-limit-*` headers told; 0: nothing told.
    told_requests: int = 0
    told_tokens: int = 0
    # The least share (0..1) of the token limit that headers said was left; None: nothing told.
    remaining_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer: the first `len(delays)` calls asked for may start, each after its delay."""

    # Seconds from now until each granted call may start.
    delays: tuple[float, ...]
    # Seconds until asking again makes sense; 0.0 where all were granted.
    retry_in: float
    # What keeps the rest waiting; None where all were granted.
    binding: Binding | None
    # For how many seconds the bucket has been limited; 0.0 where it is not.
    since: float
    # The one granted call tries whether the provider is back.
    is_probe: bool
    # Whether tokens reserved and not used may be given back when settling.
    refunds: bool
    # Whether starts are paced by a limit: one that is late breaks the pace.
    is_paced: bool = False
