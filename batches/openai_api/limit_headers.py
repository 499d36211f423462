"""The headers that tell a model's limits and what is left of them, named as OpenAI names its own.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from agents.models import AgentVersion
from agents.pricing import model_settings
from workers.ratelimit.readout import BucketState, bucket_state
from workers.ratelimit.types import Bucket

log = structlog.get_logger(__name__)

# What was read serves the requests of this time, in seconds.
LIMITS_SECONDS = 1.0
STATE_SECONDS = 0.25
# An answer waits no longer for its headers.
PATIENCE_SECONDS = 0.5
# More models than so many in use at once are read anew.
MOST_KEPT = 1_000
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What was set for a model, per minute; None where nothing was."""

    bucket: Bucket
    requests: int | None
    tokens: int | None


_limits: dict[int, tuple[float, ModelLimits]] = {}
_states: dict[Bucket, tuple[float, "asyncio.Future[BucketState]"]] = {}


def limits_of_version(version: AgentVersion) -> ModelLimits:
    """Return the limits of the version's model, from the database, at most LIMITS_SECONDS old."""
    now = time.monotonic()
    known = _limits.get(version.pk)
    if known is None or now - known[0] > LIMITS_SECONDS:
        settings = model_settings(version.credential, version.model)
        bucket = Bucket(version.credential_id, version.model)
        known = now, ModelLimits(bucket, settings.requests_per_minute, settings.tokens_per_minute)
        if len(_limits) >= MOST_KEPT:
            _limits.clear()
        _limits[version.pk] = known
    return known[1]


async def limit_headers(limits: ModelLimits) -> dict[str, str]:
    """Return the headers for a model's limits in force; none where it has none, or Redis does not answer."""
    state = await _state_of(limits.bucket)
    if state is None:
        return {}
    requests = _in_force(limits.requests, state.told_requests)
    tokens = _in_force(limits.tokens, state.told_tokens)
    return {**_headers("requests", requests, state.request_wait), **_headers("tokens", tokens, state.token_wait)}


async def seconds_until_open(limits: ModelLimits) -> float:
    """Return in how many seconds what holds the model's calls back may be over; 0.0 where that is not known."""
    state = await _state_of(limits.bucket)
    if state is None:
        return 0.0
    left = 0.0 if state.until is None else state.until.timestamp() - time.time()
    return max(left, state.request_wait, state.token_wait, 0.0)


async def _state_of(bucket: Bucket) -> BucketState | None:
    """Return the bucket's state, at most STATE_SECONDS old; requests share a question until it is answered."""
    now = time.monotonic()
    known = _states.get(bucket)
    # While Redis hangs, further questions would only take its connections from others.
    if known is None or (known[1].done() and now - known[0] > STATE_SECONDS):
        if len(_states) >= MOST_KEPT:
            _states.clear()
        known = _states[bucket] = now, asyncio.ensure_future(bucket_state(bucket))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            # One caller who goes away must not take the answer from the others.
            return await asyncio.shield(known[1])
    except (RedisError, TimeoutError) as error:
        log.warning("limits_not_read", error=type(error).__name__)
        return None


def _in_force(configured: int | None, told: int) -> int | None:
    """Return the lower of what was set and what the provider told, as the limiter does; None for no limit."""
    return min(filter(None, (configured, told)), default=None)


def _headers(name: str, limit: int | None, wait: float) -> Mapping[str, str]:
    if limit is None:
        return {}
    # Calls are paced evenly: what is not paid for yet is what counts as used.
    used = min(limit, round(limit * wait / MINUTE))
    return {
        f"x-ratelimit-limit-{name}": str(limit),
        f"x-ratelimit-remaining-{name}": str(limit - used),
        f"x-ratelimit-reset-{name}": f"{wait:.3f}s",
    }
