"""What the support modules share about starting processes."""

import ctypes
import signal
import time
from collections.abc import Callable
from functools import partial

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `number` when the thread that starts the process ends (prctl(2)).

    So nothing outlives a test process that was killed. Start such processes from the main thread.
    """
    return partial(_libc.prctl, PR_SET_PDEATHSIG, int(number))


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Look at `condition` every 20 ms until it holds. Raises TimeoutError, which names `what` was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)
