"""What the limiter knows of buckets, for commands and pages."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from workers.redis import async_connection, connection

from .answers import MICROSECONDS, binding_of
from .keys import bucket_key, credential_key, processes_key
from .tuning import Tuning
from .types import Binding, Bucket

_Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket now.

    `granted`, `refused` (calls) and `tokens` (reserved, then settled) count since Redis has known the bucket.
    `binding`: what keeps calls waiting, `since` when and `until` when the next may start; None where nothing waits, and
    `until` also where that time is not known or past.
    `ceiling`: the adaptive ceiling of calls in flight, None where there is none. `told_*`: limits per minute that the
    provider told, 0 for none. `blocked_reason` is empty where nothing is blocked. `*_wait`: in how many seconds all
    that was started is paid for, at the pace of the limits.
    """

    binding: Binding | None = None
    since: datetime | None = None
    until: datetime | None = None
    in_flight: int = 0
    waiting: int = 0
    ceiling: int | None = None
    breaker: Literal["closed", "open"] = "closed"
    granted: int = 0
    refused: int = 0
    tokens: int = 0
    told_requests: int = 0
    told_tokens: int = 0
    blocked_reason: str = ""
    request_wait: float = 0.0
    token_wait: float = 0.0


def bucket_states(buckets: Collection[Bucket]) -> dict[Bucket, BucketState]:
    """Return the state of each bucket, in one round trip. Raises redis.RedisError."""
    with connection().pipeline(transaction=False) as pipe:
        _ask(pipe, buckets)
        return _states(buckets, pipe.execute())


async def bucket_state(bucket: Bucket) -> BucketState:
    """Return the state of a bucket, over the running event loop's connections. Raises redis.RedisError."""
    async with async_connection().pipeline(transaction=False) as pipe:
        _ask(pipe, [bucket])
        return _states([bucket], await pipe.execute())[bucket]


def _ask(pipe: Any, buckets: Collection[Bucket]) -> None:
    pipe.time()
    for bucket in buckets:
        pipe.hgetall(bucket_key(bucket))
        pipe.hvals(processes_key(bucket))
        pipe.hgetall(credential_key(bucket.credential))


def _states(buckets: Collection[Bucket], answers: list[Any]) -> dict[Bucket, BucketState]:
    (seconds, microseconds), *found = answers
    now = seconds * MICROSECONDS + microseconds
    triples = zip(found[0::3], found[1::3], found[2::3], strict=True)
    return {bucket: _state(now, *triple) for bucket, triple in zip(buckets, triples, strict=True)}


def _state(now: int, fields: _Fields, processes: list[bytes], credential: _Fields) -> BucketState:
    in_flight, waiting = _totals(now, processes)
    block = max((fields, credential), key=lambda one: _number(one, b"blocked_until"))
    blocked_until = _number(block, b"blocked_until")
    is_blocked = blocked_until > now
    binding = binding_of(_number(fields, b"binding")) if waiting else None
    if is_blocked and waiting:
        binding = Binding.BLOCKED
    elif binding is Binding.BLOCKED:
        binding = None
    until = blocked_until if is_blocked else _number(fields, b"until") if binding else 0
    return BucketState(
        binding=binding,
        since=_moment(_number(fields, b"since")) if binding else None,
        until=_moment(until) if until > now else None,
        in_flight=in_flight,
        waiting=waiting,
        ceiling=_number(fields, b"ceiling") if b"ceiling" in fields else None,
        breaker="open" if b"open_since" in fields else "closed",
        granted=_number(fields, b"granted"),
        refused=_number(fields, b"refused"),
        tokens=_number(fields, b"granted_tokens") + _number(fields, b"tokens"),
        told_requests=_told(now, fields, b"told_requests"),
        told_tokens=_told(now, fields, b"told_tokens"),
        blocked_reason=block.get(b"blocked_reason", b"").decode() if is_blocked else "",
        request_wait=max(0, _number(fields, b"request_at") - now) / MICROSECONDS,
        token_wait=max(0, _number(fields, b"token_at") - now) / MICROSECONDS,
    )


def _totals(now: int, processes: list[bytes]) -> tuple[int, int]:
    """Calls in flight and waiting over the processes that were heard of lately."""
    entries = [tuple(int(part) for part in entry.split()) for entry in processes]
    oldest = now - int(Tuning().process_ttl * MICROSECONDS)
    live = [entry for entry in entries if entry[2] > oldest]
    return sum(entry[0] for entry in live), sum(entry[1] for entry in live)


def _told(now: int, fields: _Fields, name: bytes) -> int:
    told_at = _number(fields, name + b"_at")
    return _number(fields, name) if now - told_at < Tuning().told_ttl * MICROSECONDS else 0


def _number(fields: _Fields, name: bytes) -> int:
    return int(float(fields.get(name, b"0")))


def _moment(microseconds: int) -> datetime | None:
    return datetime.fromtimestamp(microseconds / MICROSECONDS, UTC) if microseconds else None
