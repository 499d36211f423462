"""The gate before one model of one credential, as this process sees it: what to ask the limiter, and what to tell it.

The limits themselves are shared by all processes (`workers.ratelimit`); a gate only gathers what happened here since
the limiter was asked last, so that one question serves many calls.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

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
# A call that was cut after less is not taken for the provider's failure, in seconds.
SHORTEST_TIMEOUT = 5.0
# No answer is taken for more than so many times what was expected.
ABSURD_FACTOR = 20
# Calls that ended are reported with the next question, or after this long.
QUIET_SECONDS = 0.25
# Calls in flight are reported at least this often, so that they keep counting.
SILENT_SECONDS = 4.0
# Who waits for less is not held back.
SHORT_WAIT_SECONDS = 0.05
# A gate of a pool that opens later gets no rows.
SUPPLIED_SECONDS = 1.0
# The limiter is not asked again sooner, whatever it says.
LEAST_WAIT_SECONDS = 0.005
# Calls that go before rows ask at most this often, whatever rows were told.
FRONT_SECONDS = 0.1
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
        self._broken: WorkError | None = None
        self._broken_until = 0.0
        self.binding: Binding | None = None
        self.appetite = FIRST_APPETITE
        self.told_at = 0.0
        self.is_told_limited = False
        # Granted, and waiting for their time or a slot.
        self.booked = 0
        self._known_at = 0.0
        self._silent_until = 0.0
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
    def is_in_use(self) -> bool:
        """Whether calls are under way or wanted."""
        return self.in_flight > 0 or self.waiting > 0

    def is_held_back(self, now: float) -> bool:
        """Whether a limit, a block or a Redis that is away keeps calls waiting (`now` in the loop's time)."""
        if self.binding is not None or self._is_on_trial:
            return True
        return max(self.closed_until, self.next_ask) > now + SHORT_WAIT_SECONDS

    def takes_more(self, now: float) -> bool:
        """Whether a call that may as well go to another model should wait here (`now` in the loop's time).

        A gate that is held back for a moment only is kept supplied with what it is asked for at once: without rows that
        wait it would not be asked, and its limit not be used.
        """
        if max(self.closed_until, self.next_ask) > now + SUPPLIED_SECONDS:
            return False
        return self.waiting < self.appetite or not self.is_held_back(now)

    def surplus(self, now: float) -> int:
        """Return how many of the waiting rows would better go to another model, where they may."""
        if not self.is_held_back(now):
            return 0
        is_soon_open = max(self.closed_until, self.next_ask) <= now + SUPPLIED_SECONDS
        return max(0, self.rows_waiting - (self.appetite if is_soon_open else 0))

    def learn(self, limits: Limits, blocked_for: float, known_at: float) -> None:
        """Let hold what the database said at `known_at` (the loop's time), unless something newer is known."""
        if known_at < self._known_at:
            return
        self._known_at = known_at
        if limits != self.limits:
            self.limits = limits
            self.next_ask = 0.0
        if blocked_for:
            self.close(known_at + blocked_for)

    def may_ask(self, now: float) -> bool:
        """Whether asking the limiter now could bring a permit (`now` in the loop's time)."""
        return not (self.is_asking or self._is_on_trial) and now >= self.next_ask and now >= self.closed_until

    def report_due_at(self, *, is_question_due: bool) -> float | None:
        """Return when the limiter must be told something though nothing is asked for; None: nothing to tell.

        A question that is due within a moment carries what happened.
        """
        if self.is_asking or not (self._has_news or self.is_in_use):
            return None
        is_quiet = self._has_news and not is_question_due
        return max(self.told_at + (QUIET_SECONDS if is_quiet else SILENT_SECONDS), self._silent_until)

    def fail(self, report: Report, until: float) -> None:
        """Keep what a report said that did not arrive; nothing is asked or told before `until`."""
        self.put_back(report)
        self.next_ask = self._silent_until = until

    def cost(self, need: Need) -> int:
        """Return the tokens to reserve for a call."""
        answer = self._answer_tokens if need.answer_limit is None else need.answer_limit
        return round(need.prompt_tokens * self._prompt_ratio + answer)

    def take_report(self, wanted: int) -> Report:
        """Return what happened since the last report, and begin a new one; `wanted` could start but for limits."""
        report, self._news = self._news, Report()
        report.in_flight, report.waiting = self.in_flight, wanted
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
        if self._broken is not None:
            self.appetite = 1

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

    def ask_soon(self, now: float) -> None:
        """Ask before the moment that the limiter named for rows, though not more often than FRONT_SECONDS."""
        self.next_ask = max(self._silent_until, min(self.next_ask, max(now, self.told_at + FRONT_SECONDS)))

    def break_off(self, error: WorkError, until: float) -> None:
        """Let nothing start before `until` (the loop's time): the model cannot be used, as `error` says.

        From then on one call at a time tries it, until one is answered.
        """
        self._broken, self._broken_until, self.appetite = error, until, 1
        self.close(until)

    def why_broken(self, now: float) -> WorkError | None:
        """Return why the model cannot be used at `now` (the loop's time); None where limits alone close the gate."""
        return self._broken if self._broken_until > now else None

    def open(self) -> None:
        """Let calls start again: what closed the gate was lifted."""
        self._mend()
        self.closed_until = self.next_ask = 0.0
        self._known_at = asyncio.get_running_loop().time()

    def close(self, until: float) -> None:
        """Let nothing start before `until` (the loop's time)."""
        self.closed_until = max(self.closed_until, until)

    def end_answered(self, permit: Permit, need: Need, completion: Completion, seconds: float) -> None:
        """Settle a call that was answered: with the true usage, and with what the headers told."""
        if not self._end(permit):
            return
        usage = completion.usage
        self._mend()
        self.retries.earn()
        self._refusals = 0
        self._news.succeeded += 1
        self._learn_usage(need, usage.input_tokens, usage.output_tokens)
        # A provider may claim any number; one absurd answer must not stop a model for hours.
        answer = min(usage.output_tokens, ABSURD_FACTOR * max(permit.tokens, FIRST_ANSWER_TOKENS))
        if need.answer_limit is not None and not self._refunds:
            answer = max(answer, permit.tokens - permit.prompt_tokens)
        prompt = min(usage.input_tokens, ABSURD_FACTOR * max(permit.tokens, FIRST_ANSWER_TOKENS))
        self._news.tokens += prompt + answer - permit.tokens
        self._ended += 1
        self._seconds += seconds
        self._slowness += seconds / (BASE_TOKENS + usage.output_tokens)
        self._learn_limits(completion.rate_limits)

    def end_failed(self, permit: Permit, error: BaseException, seconds: float) -> None:
        """Settle a call that brought no answer; what was reserved for it stays charged, since it may have been.

        Who gives a call only a few seconds learns nothing of the provider when they are over.
        """
        if not self._end(permit) or not isinstance(error, WorkError):
            return
        self._news.refused += error.code is ErrorCode.RATE_LIMITED
        self._news.overloaded += error.code is ErrorCode.OVERLOADED
        is_impatience = error.code is ErrorCode.TIMEOUT and seconds < SHORTEST_TIMEOUT
        self._news.failed += error.code in _BREAKING and not is_impatience
        self._learn_limits(error.rate_limits)

    def end_unused(self, permit: Permit) -> None:
        """Give back a permit whose call was never made."""
        if self._end(permit):
            self._news.tokens -= permit.tokens

    def refusal_seconds(self, told: float | None) -> float:
        """Return how long a refusal closes the gate: what was told, else longer with each one in a row."""
        self._refusals += 1
        own = FIRST_REFUSAL_SECONDS * 2.0 ** min(self._refusals - 1, 10)
        return told if told is not None and told > 0 else min(own, LONGEST_REFUSAL_SECONDS)

    @property
    def _is_on_trial(self) -> bool:
        """Whether a call finds out just now if the model, which could not be used, can be again."""
        return self._broken is not None and self.in_flight > 0

    def _mend(self) -> None:
        if self._broken is not None:
            self._broken, self._broken_until, self.appetite = None, 0.0, FIRST_APPETITE

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
        likely = min(answer_tokens, ABSURD_FACTOR * max(self._answer_tokens, FIRST_ANSWER_TOKENS))
        self._answer_tokens += share * (likely - self._answer_tokens)

    def _learn_limits(self, headers: Mapping[str, str]) -> None:
        if not headers:
            return
        told, news = told_limits(headers), self._news
        news.told_requests = told.requests_per_minute or news.told_requests
        news.told_tokens = told.tokens_per_minute or news.told_tokens
        left = told.remaining_tokens
        if left is not None:
            news.remaining_tokens = left if news.remaining_tokens is None else min(left, news.remaining_tokens)
