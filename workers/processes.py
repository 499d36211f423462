"""What has to be done between fork and exec, so that no started process outlives who started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

# prctl(2), from linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send `number` to the process when its starter ends, however it ends.

    The kernel looks at the thread that starts the process, so start it from one that lives as long as it should: the
    main thread. Elsewhere than on Linux nothing happens.
    """
    parent = os.getpid()

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(number))
            if os.getppid() != parent:  # it ended before the kernel knew
                os._exit(1)

    return prepare
