"""The gate before one model of one credential, as this process sees it: what to ask the limiter, and what to tell it.

The limits themselves are shared by all processes (`workers.ratelimit`); a gate only gathers what happened here since
the limiter was asked last, so that one question serves many calls.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from agents.llm.rate_headers import told_limits
from agents.llm.types import Completion
from workers.errors import ErrorCode, WorkError
from workers.ratelimit.types import Binding, Bucket, Grant, Limits, Report

from .permits import Asker, Need, Permit
from .retry_budget import RetryBudget

# What an answer is taken to have until answers tell, where the agent sets no limit.
FIRST_ANSWER_TOKENS = 256
# A new value counts this much in a moving mean.
MEAN_SHARE = 0.1
# So many calls are asked for at once, at first and at most.
FIRST_APPETITE = 256
MOST_APPETITE = 1000
# What takes part in a call's length beside the tokens of its answer, when calls are compared.
BASE_TOKENS = 50
# The limiter is not asked again sooner, whatever it says.
LEAST_WAIT_SECONDS = 0.005
# What happened is told with the next question where that comes within this time.
SOON_ASKED_SECONDS = 1.0
# A refusal that names no time closes the gate for this long, twice as long for each further one.
FIRST_REFUSAL_SECONDS = 1.0
LONGEST_REFUSAL_SECONDS = 60.0

_BREAKING = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT, ErrorCode.CONNECTION, ErrorCode.OVERLOADED})


class Gate:
    """Used from the engine's loop alone."""

    def __init__(self, bucket: Bucket) -> None:
        """Begin with nothing in flight and no known limit."""
        self.bucket = bucket
        self.limits = Limits()
        self.front: deque[Asker] = deque()
        self.rows_waiting = 0
        self.in_flight = 0
        self.is_asking = False
        self.next_ask = 0.0
        self.closed_until = 0.0
        self.binding: Binding | None = None
        self.appetite = FIRST_APPETITE
        self.told_at = 0.0
        self.is_told_limited = False
        self.retries = RetryBudget()
        self._refunds = False
        self._refusals = 0
        self._learned = 0
        self._prompt_ratio = 1.0
        self._answer_tokens = float(FIRST_ANSWER_TOKENS)
        self._news = Report()
        self._ended = 0
        self._seconds = 0.0
        self._slowness = 0.0
        self._has_news = False

    @property
    def waiting(self) -> int:
        """How many calls of this process want to start."""
        return len(self.front) + self.rows_waiting

    @property
    def is_limited(self) -> bool:
        """Whether the limiter let something wait when it was asked last."""
        return self.binding is not None

    def may_ask(self, now: float) -> bool:
        """Whether asking the limiter now could bring a permit (`now` in the loop's time)."""
        return not self.is_asking and now >= self.next_ask and now >= self.closed_until

    def owes_report(self, now: float, quiet_seconds: float, silent_seconds: float) -> bool:
        """Whether the limiter must be told something though nothing is asked for."""
        if self.is_asking or not (self._has_news or self.in_flight or self.waiting):
            return False
        if self.waiting and now - self.told_at < silent_seconds and self.next_ask - now < SOON_ASKED_SECONDS:
            # The next question carries it.
            return False
        return now - self.told_at >= (quiet_seconds if self._has_news else silent_seconds)

    def cost(self, need: Need) -> int:
        """Return the tokens to reserve for a call."""
        answer = self._answer_tokens if need.answer_limit is None else need.answer_limit
        return round(need.prompt_tokens * self._prompt_ratio + answer)

    def take_report(self, wanted: int) -> Report:
        """Return what happened since the last report, and begin a new one; `wanted` calls are asked for with it."""
        report, self._news = self._news, Report()
        report.in_flight, report.waiting = self.in_flight, max(self.waiting, wanted)
        if self._ended:
            report.latency, report.slowness = self._seconds / self._ended, self._slowness / self._ended
        self._ended, self._seconds, self._slowness, self._has_news = 0, 0.0, 0.0, False
        return report

    def put_back(self, report: Report) -> None:
        """Keep what a report said that did not arrive."""
        for name in ("succeeded", "overloaded", "failed", "refused"):
            setattr(self._news, name, getattr(self._news, name) + getattr(report, name))
        # It may have arrived all the same: given back twice, tokens would let too much start.
        self._news.tokens += max(0, report.tokens)
        self._has_news = True

    def note(self, grant: Grant, asked: int, now: float) -> None:
        """Remember what the limiter said to `asked` calls."""
        granted = len(grant.delays)
        self.told_at, self._refunds = now, grant.refunds
        self.in_flight += granted
        if granted < asked:
            self.binding = grant.binding
            self.next_ask = now + max(grant.retry_in, LEAST_WAIT_SECONDS)
            self.appetite = max(4, 2 * granted + 2)
        elif asked:
            self.binding, self.next_ask = None, 0.0
            self.appetite = min(MOST_APPETITE, max(self.appetite, 2 * asked))

    def permits(self, askers: Sequence[Asker], costs: Sequence[int], grant: Grant, asked_at: float) -> list[Permit]:
        """Return a permit for each of the calls that were granted; delays count from `asked_at` at the earliest."""
        count = len(grant.delays)
        return [
            Permit(
                self,
                cost,
                round(asker.need.prompt_tokens * self._prompt_ratio),
                grant.is_probe,
                grant.is_paced,
                due=asked_at + delay,
            )
            for asker, cost, delay in zip(askers[:count], costs[:count], grant.delays, strict=True)
        ]

    def close(self, until: float) -> None:
        """Let nothing start before `until` (the loop's time)."""
        self.closed_until = max(self.closed_until, until)

    def end_answered(self, permit: Permit, need: Need, completion: Completion, seconds: float) -> None:
        """Settle a call that was answered: with the true usage, and with what the headers told."""
        if not self._end(permit):
            return
        usage = completion.usage
        self.retries.earn()
        self._refusals = 0
        self._news.succeeded += 1
        self._learn_usage(need, usage.input_tokens, usage.output_tokens)
        answer = usage.output_tokens
        if need.answer_limit is not None and not self._refunds:
            answer = max(answer, permit.tokens - permit.prompt_tokens)
        self._news.tokens += usage.input_tokens + answer - permit.tokens
        self._ended += 1
        self._seconds += seconds
        self._slowness += seconds / (BASE_TOKENS + usage.output_tokens)
        if completion.rate_limits:
            self._learn_limits(completion)

    def end_failed(self, permit: Permit, error: BaseException) -> None:
        """Settle a call that brought no answer; what was reserved for it stays charged, since it may have been."""
        if not self._end(permit) or not isinstance(error, WorkError):
            return
        self._news.refused += error.code is ErrorCode.RATE_LIMITED
        self._news.overloaded += error.code is ErrorCode.OVERLOADED
        self._news.failed += error.code in _BREAKING

    def end_unused(self, permit: Permit) -> None:
        """Give back a permit whose call was never made."""
        if self._end(permit):
            self._news.tokens -= permit.tokens

    def refusal_seconds(self, told: float | None) -> float:
        """Return how long a refusal closes the gate: what was told, else longer with each one in a row."""
        self._refusals += 1
        own = FIRST_REFUSAL_SECONDS * 2.0 ** min(self._refusals - 1, 10)
        return told if told is not None and told > 0 else min(own, LONGEST_REFUSAL_SECONDS)

    def _end(self, permit: Permit) -> bool:
        if not permit.is_open:
            return False
        permit.is_open = False
        self.in_flight -= 1
        self._has_news = True
        if self.binding in (Binding.CONCURRENCY, Binding.ADAPTIVE):
            # The place that has just become free may be ours.
            self.next_ask = min(self.next_ask, asyncio.get_running_loop().time())
        return True

    def _learn_usage(self, need: Need, prompt_tokens: int, answer_tokens: int) -> None:
        self._learned += 1
        share = max(MEAN_SHARE, 1 / self._learned)
        if need.prompt_tokens and prompt_tokens:
            seen = min(max(prompt_tokens / need.prompt_tokens, 0.1), 10.0)
            self._prompt_ratio += share * (seen - self._prompt_ratio)
        self._answer_tokens += share * (answer_tokens - self._answer_tokens)

    def _learn_limits(self, completion: Completion) -> None:
        told, news = told_limits(completion.rate_limits), self._news
        news.told_requests = told.requests_per_minute or news.told_requests
        news.told_tokens = told.tokens_per_minute or news.told_tokens
        left = told.remaining_tokens
        if left is not None:
            news.remaining_tokens = left if news.remaining_tokens is None else min(left, news.remaining_tokens)
