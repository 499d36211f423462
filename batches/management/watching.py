"""Watching a batch from the command line until it ends."""

import time

from redis.exceptions import RedisError
from rich.console import Console

from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES
from workers.presence import live_workers

from .progress import ProgressDisplay

POLL_SECONDS = 0.25
WORKERS_SECONDS = 5.0
NO_WORKER = (
    "No worker is running, so nothing happens yet. Start one in another terminal:\n"
    "  .venv/bin/celery -A arboretum worker\n"
    "or let this command start workers with --start-workers. Waiting."
)


def watch(batch: Batch, console: Console) -> Batch:
    """Show the progress of `batch` on `console` until it has ended, and return it as it then is.

    One row is read four times a second. Says once when no worker is alive. Ctrl-C raises KeyboardInterrupt.
    """
    worker_check, told = 0.0, False
    with ProgressDisplay(console) as display:
        while True:
            batch.refresh_from_db()
            display.show(batch)
            if batch.state in TERMINAL_BATCH_STATES:
                return batch
            if not told and time.monotonic() > worker_check:
                worker_check = time.monotonic() + WORKERS_SECONDS
                told = not has_workers()
                if told:
                    console.print(NO_WORKER, markup=False, highlight=False)
            time.sleep(POLL_SECONDS)


def has_workers() -> bool:
    """Return whether any worker process is alive; a Redis that does not answer knows of none."""
    try:
        return bool(live_workers())
    except RedisError:
        return False
