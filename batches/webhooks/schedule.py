"""When a delivery that failed is tried again."""

import random

from agents.llm.http.retry_after import MAX_RETRY_AFTER

# Seconds after each attempt, eight attempts within a day: the first follow soon, for a restart of the receiver, the
# last far apart, for a night in which nobody is there to repair it.
DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 21_600.0)
# So much of a delay is chance, so that what failed together does not come back together.
JITTER = 0.1


def delay_after(attempts: int, retry_after: float | None = None) -> float | None:
    """Return the seconds until the next attempt, after `attempts` of them (from 1); None where there is none any more.

    A receiver that asks for a longer wait (Retry-After, in seconds) gets it, up to a day.
    """
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 + random.uniform(-JITTER, JITTER))
    return max(delay, min(retry_after or 0.0, MAX_RETRY_AFTER))
