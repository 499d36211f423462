"""A budget for retries: where most of what is sent are repetitions, a struggling provider never recovers."""

import time

# Retries may be half of what is answered; where little is answered, this many a second are no burden.
SHARE = 0.5
LEAST_PER_SECOND = 10.0
SAVED_SECONDS = 5.0
_RATE_SECONDS = 10.0


class RetryBudget:
    """Retries beyond the budget are not given up: they wait longer, so that their rows still end with a result.

    Half as many retries as answers, counted over the last ten seconds or so, and never fewer than ten a second.
    """

    def __init__(self) -> None:
        """Begin with the least budget, all of it saved up."""
        self._answers = 0.0
        self._counted_at = time.monotonic()
        self._next = 0.0

    def earn(self) -> None:
        """Count an answer."""
        self._decay(time.monotonic())
        self._answers += 1

    def wait(self) -> float:
        """Take one retry from the budget; return the seconds until it is covered, 0 where it is now."""
        now = time.monotonic()
        self._decay(now)
        rate = max(LEAST_PER_SECOND, SHARE * self._answers / _RATE_SECONDS)
        due = max(self._next, now - SAVED_SECONDS)
        self._next = due + 1 / rate
        return max(0.0, due - now)

    def _decay(self, now: float) -> None:
        """Let old answers fade: what is left of the count stands for the last ten seconds."""
        passed = now - self._counted_at
        if passed > 0.1:
            self._answers *= max(0.0, 1 - passed / _RATE_SECONDS)
            self._counted_at = now
