"""Watching a batch from the command line until it ends."""

import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection
from redis.exceptions import RedisError
from rich.console import Console

from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES, BatchState
from credentials.management.output import one_line
from workers.presence import live_workers

from .interrupts import kept_interrupts
from .progress import ProgressDisplay

POLL_SECONDS = 0.25
WORKERS_SECONDS = 5.0
NO_WORKER = (
    "No worker is running, so nothing happens yet. Start one in another terminal:\n"
    "  .venv/bin/celery -A arboretum worker\n"
    "or let this command start workers with --start-workers. Waiting."
)

NO_DATABASE = "The database does not answer. Waiting for it."


def has_ended(batch: Batch) -> bool:
    """Return whether nothing of `batch` is left to wait for."""
    return batch.state in TERMINAL_BATCH_STATES


def watch(
    batch: Batch,
    console: Console,
    *,
    is_over: Callable[[Batch], bool] = has_ended,
    shown: Callable[[Batch], Batch] = lambda batch: batch,
) -> Batch:
    """Show the progress of `batch` on `console` until it has ended, and return it as it then is.

    `is_over` may tell another end, `shown` what to show of it. One row is read four times a second. Says once when no
    worker is alive, and once when the database does not answer; then it waits until it does; and whenever the batch is
    paused, why. Ctrl-C raises KeyboardInterrupt.
    """
    worker_check, told, paused = 0.0, False, ""
    with kept_interrupts() as check_interrupt, ProgressDisplay(console) as display:
        row = PatientRow(batch, display.say)
        while True:
            check_interrupt()
            if row.refresh():
                display.show(shown(batch))
            if is_over(batch):
                return batch
            before, paused = paused, _pause(batch)
            if paused not in ("", before):
                display.say(paused)
            if not told and time.monotonic() > worker_check:
                worker_check = time.monotonic() + WORKERS_SECONDS
                told = not has_workers("batch")
                if told:
                    display.say(NO_WORKER)
            time.sleep(POLL_SECONDS)


def _pause(batch: Batch) -> str:
    """Return what to say of a batch that is paused, else nothing."""
    if batch.state != BatchState.PAUSED:
        return ""
    why = f": {one_line(batch.state_reason)}" if batch.state_reason else "."
    return f"Batch {batch.pk} is paused{why}\nGo on with it: manage.py batches resume {batch.pk}"


class PatientRow:
    """The row of a batch, read again and again from a database that may be away for a while."""

    def __init__(self, batch: Batch, say: Callable[[str], None]) -> None:
        """Take the batch, and what says to a person that the database does not answer."""
        self._batch = batch
        self._say = say
        self._away = False

    def refresh(self) -> bool:
        """Read the row; on False the database did not answer, and the batch is as it was. An outage is said once."""
        try:
            self._batch.refresh_from_db()
        except (OperationalError, InterfaceError):
            connection.close()  # the next try makes a new one
            self._say_away()
            return False
        self._away = False
        return True

    def _say_away(self) -> None:
        if not self._away:
            self._away = True
            self._say(NO_DATABASE)


def has_workers(queue: str) -> bool:
    """Return whether a worker process that serves `queue` is alive; a Redis that does not answer knows of none."""
    try:
        return bool(live_workers(queue))
    except RedisError:
        return False
