"""How many requests a token may send in a minute: protection of the web processes, not a limit of a provider."""

import math
import time
from dataclasses import dataclass

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from credentials.models import ApiToken
from workers.request_counter import Count, count_request

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
# After Redis failed it is left alone for so long: each further try could take seconds.
PAUSE_SECONDS = 5.0

_paused_until = 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a token may send: `limit` requests a minute, how many of them are left, and the seconds until all are.

    `retry_after` is the number of seconds until the next may come; 0.0 where this one was let through.
    """

    limit: int
    remaining: int
    reset: float
    retry_after: float

    @property
    def is_granted(self) -> bool:
        """Whether the request may go on."""
        return self.retry_after == 0.0

    def headers(self) -> dict[str, str]:
        """Return the headers that tell it, named as OpenAI names its own; `Retry-After` where it was refused."""
        told = {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset:.3f}s",
        }
        return told if self.is_granted else told | {"Retry-After": str(math.ceil(self.retry_after))}


def take_request(token: ApiToken) -> Allowance | None:
    """Count a request of `token`. None where Redis does not answer: then nobody is held back."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return None
    limit = token.requests_per_minute or settings.ARBORETUM_TOKEN_REQUESTS_PER_MINUTE
    try:
        return _allowance(limit, count_request(f"token:{token.pk}", limit, WINDOW_SECONDS))
    except RedisError as error:
        if not _paused_until:
            log.warning("token_requests_not_counted", error=type(error).__name__)
        _paused_until = time.monotonic() + PAUSE_SECONDS
        return None


def _allowance(limit: int, count: Count) -> Allowance:
    global _paused_until
    _paused_until = 0.0
    return Allowance(limit, count.remaining, count.reset, count.retry_after)
