"""Telling the workers at once that a batch was changed: paused, cancelled, given another priority or weight; or that
a single run was cancelled.

They would see it within a second by themselves, so a word that is lost costs no more than that.
"""

import secrets
import threading
import time

import orjson
from django.db import transaction

from workers.bus.script import write_sync
from workers.outbox import Outbox
from workers.redis import connection

from .models import Run
from .news import end_bytes, finished_of, topic_of

CHANGES = "arboretum:batches:changes"
ENDED_RUNS = "arboretum:runs:ended"
_HEARD = "arboretum:batches:heard:"
HEARD_SECONDS = 10
# Who changes a batch waits so long for the workers to say that they know; one that hangs says nothing.
PATIENCE_SECONDS = 0.5
# A word that could not be sent for so much longer tells nothing new.
LATE_SECONDS = 1.0

# Not that of publishing: who waits here is not to wait for messages of others.
_outbox = Outbox()


def heard_key(word: str) -> str:
    """Return the list on which processes say that they act on a change by now."""
    return f"{_HEARD}{word}"


def tell_changed(batch_id: int, *, patience: float = PATIENCE_SECONDS) -> None:
    """Tell all workers of a change, after the commit, and wait up to `patience` seconds until each acts on it.

    Afterwards a paused batch starts nothing any more, unless a worker or Redis did not answer in time.
    """
    transaction.on_commit(lambda: _tell(batch_id, patience))


def _tell(batch_id: int, patience: float) -> None:
    known = threading.Event()
    deadline = time.monotonic() + patience

    def ask() -> None:
        try:
            _ask(batch_id, deadline)
        finally:
            known.set()

    _outbox.put(ask)
    known.wait(patience)


def _ask(batch_id: int, deadline: float) -> None:
    if time.monotonic() > deadline + LATE_SECONDS:
        # It waited behind others while Redis was away; by now the workers have seen it, or soon do.
        return
    word = secrets.token_hex(8)
    listeners = int(connection().publish(CHANGES, orjson.dumps([batch_id, word])))
    for _ in range(listeners):
        left = deadline - time.monotonic()
        if left <= 0 or connection().blpop([heard_key(word)], timeout=left) is None:
            return


def tell_run_ended(run: Run) -> None:
    """Tell who waits for a single run, after the commit, that somebody else than a worker has ended it as it is now.

    Workers are told as well, so that they cut its call.
    """
    ended = end_bytes(finished_of(run))
    transaction.on_commit(lambda: _outbox.put(lambda: _say_ended(run.pk, ended)))


def _say_ended(run_id: int, ended: bytes) -> None:
    connection().publish(ENDED_RUNS, str(run_id))
    write_sync([(topic_of(run_id), ended)])
