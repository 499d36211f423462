"""The limiter of one process: an exchange per bucket tells what happened and reserves starts on Redis' clock.

Why no sliding window of 60 s sees more than a limit of L requests a minute: with r = MARGIN * L / 60, calls 1..n of a
bucket start at s_1 <= ... <= s_n. Each pushes the theoretical arrival time to max(it, s_i - CATCH_UP) + 1/r, so after
n - 1 calls it is at least s_1 - CATCH_UP + (n - 1)/r, and s_n is not before it. Calls reach the provider up to 0.9 s
after their start, so those in one window have s_n - s_1 < 60.9. Hence n - 1 < r * (60.9 + CATCH_UP), which is
0.98 * 61.15 / 60 * L < L, that is n <= L. Tokens are paced alike, but one large call may carry the sum over the limit;
so what was started in the last window is remembered (`lua/window.lua`), and a call starts when its tokens fit.
GCRA: ITU-T I.371, annex A; as a limiter: https://brandur.org/rate-limiting.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import redis

from workers.redis import async_connection
from workers.scripts import run_script

from .answers import MICROSECONDS, Answer, read_answer
from .blocks import listen_for_blocks
from .keys import BLOCKS, WORKERS, bucket_key, credential_key, processes_key, window_key
from .tuning import Tuning
from .types import Binding, Bucket, Grant, Limits, Report

# An answer older than this may be too late for the starts that it grants: half of Tuning.lateness, so that the caller
# may be late as well. They are given up, and asked for again.
STALE_ANSWER = 0.45
STALE_PAUSE = 0.1
MAX_REASON = 200
# What a process knows of Redis' past, as `lua/state.lua` has it.
_CERTAIN, _FIRST, _FAILED = 0, 1, 2
_CEILINGS = (Binding.CONCURRENCY, Binding.ADAPTIVE)
# Seconds. Nothing is blocked for longer, whatever a provider says.
MAX_BLOCK = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Last:
    """A bucket's last exchange: when (monotonic clock), its number, calls then held, processes that used the bucket.

    `owes`: it held or wanted calls, so another exchange had to follow. `pause`: when a ceiling let it ask again.
    """

    at: float
    number: int
    held: int
    peers: int
    owes: bool
    pause: float


class Limiter:
    """The limits of all buckets as one process sees them. Used from one event loop at a time."""

    def __init__(self, process: str, tuning: Tuning | None = None) -> None:
        """`process` is unique among the live processes; best the name under which it is announced as a worker."""
        self._process = process
        self._tuning = tuning or Tuning()
        self._last: dict[Bucket, _Last] = {}
        # Buckets that were asked since a connection failed last.
        self._certain: set[Bucket] = set()
        self._has_failed = False
        # Numbers that grow over restarts of the process, so that a report sent twice is counted once.
        self._sequence = itertools.count(time.time_ns() // 1000)

    async def exchange(
        self,
        bucket: Bucket,
        limits: Limits,
        report: Report,
        costs: Sequence[int],
        *,
        blocked_for: float = 0.0,
        front: int = 0,
    ) -> Grant:
        """Tell what happened in `bucket` since the last exchange and ask for a start for each of `costs` (tokens).

        `blocked_for`: for how many more seconds the bucket is blocked as far as the caller knows. `front`: so many of
        the first costs are not held back while a large call of another process waits for room in the token window.
        One exchange of a bucket at a time. A process that holds or wants calls must come again within 5 s: not heard of
        for 15 s, its places are given away. Raises redis.RedisError: then nothing may start, and the report may not
        have been counted.
        """
        asked, number = time.monotonic(), next(self._sequence)
        arguments = [
            self._process,
            number,
            *self._memory_arguments(bucket, asked),
            *_limit_arguments(limits),
            _microseconds(blocked_for),
            *_report_arguments(report),
            max(0, front),
            *costs,
        ]
        try:
            answer = read_answer(await run_script(self._tuning.exchange, _exchange_keys(bucket), arguments))
        except redis.RedisError:
            # The server may come back without its last second: no bucket's starts are certain.
            self._certain.clear()
            self._has_failed = True
            raise
        answered = time.monotonic()
        self._certain.add(bucket)
        answer = replace(answer, grant=self._patient(bucket, report, answer.grant))
        self._last[bucket] = _remembered(answered, number, report, answer)
        return _in_time(answer, answered - asked)

    def _patient(self, bucket: Bucket, report: Report, grant: Grant) -> Grant:
        """The grant; where a ceiling binds and nothing happens here, asking again makes sense ever later."""
        last = self._last.get(bucket)
        if grant.binding not in _CEILINGS or grant.delays or last is None or report.in_flight < last.held:
            return grant
        pause = min(max(2 * last.pause, grant.retry_in), self._tuning.longest_ceiling_retry)
        return replace(grant, retry_in=pause)

    def _memory_arguments(self, bucket: Bucket, now: float) -> tuple[int | str, ...]:
        """What shows the server whether it has forgotten something."""
        certainty = _CERTAIN if bucket in self._certain else _FAILED if self._has_failed else _FIRST
        last = self._last.get(bucket)
        if last is None:
            return (certainty, "", 0, 0)
        if now - last.at <= self._tuning.window:
            return (certainty, last.number, last.held, last.peers)
        # Idle processes come back after any time. One that owed an exchange was kept from it.
        return (certainty, "", last.held, last.peers) if last.owes else (certainty, "", 0, 0)

    async def block(self, bucket: Bucket, seconds: float, *, whole_credential: bool, reason: str) -> None:
        """Let no call of the bucket, or of any model of its credential, start within `seconds`.

        Where it is blocked for longer already, that stays. `reason` (cut at 200 characters) is for people. The other
        processes are told at once. Raises redis.RedisError.
        """
        key = credential_key(bucket.credential) if whole_credential else bucket_key(bucket)
        await run_script(
            self._tuning.block,
            [key],
            [
                _microseconds(seconds),
                reason[:MAX_REASON],
                BLOCKS,
                bucket.credential,
                "" if whole_credential else bucket.model,
                int(whole_credential),
            ],
        )

    async def listen(self, on_block: Callable[[int, str | None, float], None]) -> None:
        """For ever: call on_block(credential, model or None for all, seconds left) for every block of any process."""
        await listen_for_blocks(on_block)

    async def leave(self) -> None:
        """Give back the places of this process in all buckets at once. Raises redis.RedisError."""
        async with async_connection().pipeline(transaction=False) as pipe:
            for bucket in self._last:
                pipe.hdel(processes_key(bucket), self._process)
            await pipe.execute()
        self._last.clear()


def _remembered(at: float, number: int, report: Report, answer: Answer) -> _Last:
    grant = answer.grant
    granted = len(grant.delays)
    # A ceiling that has just let something start may soon do so again.
    pause = grant.retry_in if grant.binding in _CEILINGS and not granted else 0.0
    held = report.in_flight + granted
    return _Last(at, number, held, answer.peers, held > 0 or report.waiting > granted, pause)


def _in_time(answer: Answer, took: float) -> Grant:
    """The grant; without its starts where the answer took so long (seconds) that they may be past."""
    if not answer.is_paced or took <= STALE_ANSWER:
        return answer.grant
    return replace(answer.grant, delays=(), retry_in=max(answer.grant.retry_in, STALE_PAUSE), is_probe=False)


def _exchange_keys(bucket: Bucket) -> list[str]:
    credential = credential_key(bucket.credential)
    return [bucket_key(bucket), processes_key(bucket), credential, WORKERS, window_key(bucket)]


def _microseconds(seconds: float) -> int:
    return int(max(0.0, min(seconds, MAX_BLOCK)) * MICROSECONDS)


def _limit_arguments(limits: Limits) -> tuple[int, int, int]:
    return (limits.requests_per_minute or 0, limits.tokens_per_minute or 0, limits.max_concurrency or 0)


def _report_arguments(report: Report) -> tuple[float | str, ...]:
    return (
        report.in_flight,
        report.waiting,
        report.tokens,
        report.succeeded,
        report.overloaded,
        report.failed,
        report.refused,
        "" if report.slowness is None else report.slowness,
        "" if report.latency is None else report.latency,
        report.told_requests,
        report.told_tokens,
        "" if report.remaining_tokens is None else report.remaining_tokens,
    )
