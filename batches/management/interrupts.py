"""Ctrl-C that is not lost: Python drops it where it comes while an object is being disposed of."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C raises KeyboardInterrupt, as ever; the function that is given raises it once more.

    A loop calls that function in each round: Python only reports an exception that is raised in a `__del__` or in a
    callback of a weak reference, and goes on (https://docs.python.org/3/reference/datamodel.html#object.__del__). Where
    the signal is ignored, as in the background of a script, it stays so.
    """
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if is_ignored or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    seen = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.set()
        signal.default_int_handler(number, frame)

    def check() -> None:
        if seen.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
