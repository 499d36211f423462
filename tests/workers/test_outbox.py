"""The outbox: nobody waits for what hangs, and what fails is logged."""

import threading
import time

from workers import outbox
from workers.outbox import Outbox


def test_what_is_put_in_runs_in_order_and_failures_stop_nothing() -> None:
    box, done = Outbox(), []

    def broken() -> None:
        raise ConnectionError("no broker")

    for step in (lambda: done.append(1), broken, lambda: done.append(2)):
        box.put(step)
    assert box.flush()
    assert done == [1, 2]


def test_putting_never_waits_and_what_is_too_much_is_dropped() -> None:
    box, gate, done = Outbox(), threading.Event(), []
    box.put(lambda: gate.wait(20) and None)
    started = time.monotonic()
    for _ in range(outbox.MOST_WAITING + 100):
        box.put(lambda: done.append(1))
    assert time.monotonic() - started < 2
    assert not box.flush(0.1)
    gate.set()
    assert box.flush()
    assert len(done) == outbox.MOST_WAITING - 1
