"""A thread that does what may hang, so that nobody who asks for it waits: messages to a broker that does not answer.

What is in it when the process dies is lost. It is for hints alone, which somebody gives again.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

log = structlog.get_logger(__name__)

# With so many waiting the receiver has been away for long; further hints tell nothing new.
MOST_WAITING = 1_000


class Outbox:
    """Runs what is put into it, one after the other, in a thread that is started when it is first used."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._pid = 0
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: set[Future[None]] = set()

    def put(self, send: Callable[[], None]) -> None:
        """Run `send` soon, in the outbox's thread; what it raises is logged. Dropped where MOST_WAITING wait."""
        with self._lock:
            if self._thread is None or self._pid != os.getpid():
                self._pid, self._waiting = os.getpid(), set()
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="arboretum-outbox")
            if len(self._waiting) >= MOST_WAITING:
                log.warning("outbox_full", waiting=len(self._waiting))
                return
            future = self._thread.submit(_guarded, send)
            self._waiting.add(future)
        future.add_done_callback(self._forget)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until what is in the outbox now has been run; return whether it was within `seconds`."""
        with self._lock:
            waiting = set(self._waiting)
        return not wait(waiting, seconds).not_done

    def _forget(self, future: "Future[None]") -> None:
        with self._lock:
            self._waiting.discard(future)


def _guarded(send: Callable[[], None]) -> None:
    try:
        send()
    except Exception as error:
        log.warning("send_failed", error=type(error).__name__)
