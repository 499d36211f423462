"""Waiting for what worker processes write."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], seconds: float, what: str, *, every: float = 0.05) -> float:
    """Return the seconds it took until `condition` held. Raises AssertionError naming `what` when it did not."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < seconds, f"{what}: not within {seconds} s"
        time.sleep(every)
    return time.monotonic() - started
