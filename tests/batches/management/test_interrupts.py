"""Ctrl-C within an object's disposal, which Python itself would drop."""

import signal
import threading
from collections.abc import Callable

import pytest

from batches.management.interrupts import kept_interrupts


class Disposed:
    """An object in whose disposal Ctrl-C comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def disposed_of() -> None:
    with kept_interrupts() as check:
        check()
        thing = Disposed()
        del thing
        check()


def interrupted() -> None:
    with kept_interrupts():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("work", [disposed_of, interrupted])
def test_an_interrupt_is_raised_at_once_or_at_the_next_look(work: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_no_signals() -> None:
    def look() -> None:
        with kept_interrupts() as check:
            check()
        done.set()

    done = threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert done.is_set()
