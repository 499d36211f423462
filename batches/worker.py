"""What a Celery worker process does beside tasks: starts the host, announces itself, keeps maintenance, drains."""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, current_app
from celery.signals import task_postrun, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import connections

from workers import presence
from workers.code import LOADED_CODE
from workers.database import first_line

from .execution.burying import bury_dead
from .execution.host import WorkerHost, host, stop_host
from .execution.leadership import resign
from .execution.maintenance import SWEEP_SECONDS, offer_batches, run_step, sweep
from .quarantine.keeper import EXTRA_SECONDS, QuarantineKeeper

log = structlog.get_logger(__name__)

# A child in quarantine is looked at so often: each that dies is one of a row of halvings.
WATCH_SECONDS = 0.1
LEAVING_SECONDS = 10.0


class Caretaker(threading.Thread):
    """Announces the process, runs maintenance and keeps the child for suspects, on a database connection of its own."""

    def __init__(self, worker: WorkerHost, app: Celery) -> None:
        """Care for `worker`, which serves the queues that `app` consumes, until `finish` is called."""
        super().__init__(name="arboretum-caretaker", daemon=True)
        self._worker = worker
        self._app = app
        self._last_failures: dict[str, str] = {}
        self._finished = threading.Event()
        self._quarantine = QuarantineKeeper()
        self._identity = {"host": socket.gethostname(), "pid": os.getpid(), "code": LOADED_CODE}

    def run(self) -> None:
        """Announce and sweep until finished; what fails is logged and tried again at the next round."""
        self._try(self._announce, "announce_failed")
        # A newcomer helps at once: the process that led, and would have seen it, may just have died.
        self._try(bury_dead, "burying_failed")
        run_step(offer_batches)
        while not self._finished.is_set():
            self._try(self._announce, "announce_failed")
            self._try(bury_dead, "burying_failed")
            self._try(lambda: sweep(self._worker.process))
            self._try(self._look_at_quarantine)
            self._rest()
        self._try(lambda: presence.withdraw(self._worker.process), "leave_failed")
        self._try(lambda: resign(self._worker.process), "leave_failed")
        self._try(self._quarantine.stop)
        connections.close_all()

    def _rest(self) -> None:
        """Wait for the next round; a child that ends, or is to end, is seen to at once."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if self._finished.wait(min(left, WATCH_SECONDS) if self._quarantine.is_running else left):
                return
            if self._quarantine.has_child:
                self._try(self._look_at_quarantine)

    def _look_at_quarantine(self) -> None:
        runs_anything = not {"interactive", "batch"}.isdisjoint(self._app.amqp.queues.consume_from)
        self._quarantine.look(self._worker.process, may_start=runs_anything and not self._worker.is_draining)

    def _try(self, work: Callable[[], object], event: str = "sweep_failed") -> None:
        """Do `work`; where it fails, log `event`. Nothing that fails ends the thread."""
        try:
            work()
            self._last_failures.pop(event, None)
        except Exception as error:
            self._tell_failure(event, error)
            connections.close_all()

    def _tell_failure(self, event: str, error: Exception) -> None:
        name = type(error).__name__
        # The first of a row says why; a database that is away would say it every two seconds.
        reason = {} if name == self._last_failures.get(event) else {"reason": first_line(error)}
        self._last_failures[event] = name
        log.warning(event, error=name, **reason)

    def _announce(self) -> None:
        # Read anew each time: `celery control cancel_consumer` and `add_consumer` change them.
        queues = ",".join(sorted(self._app.amqp.queues.consume_from))
        facts = {"slots": self._worker.slots.size, "busy": self._worker.running, "queues": queues}
        presence.announce(self._worker.process, {**self._identity, **facts})

    def finish(self) -> None:
        """Withdraw the process, end its child in quarantine, and end the thread."""
        self._finished.set()
        self.join(timeout=settings.ARBORETUM_GRACE_SECONDS + EXTRA_SECONDS + LEAVING_SECONDS)


_caretaker: Caretaker | None = None


@worker_ready.connect
@worker_process_init.connect
def start(sender: Any = None, **kwargs: Any) -> None:
    """Start the host and its caretaker, in the process that runs tasks."""
    global _caretaker
    if _caretaker is None or not _caretaker.is_alive():
        # A child of the prefork pool is told no sender; it knows the queues from its parent.
        _caretaker = Caretaker(host(), sender.app if sender else current_app)
        _caretaker.start()


@task_postrun.connect
def give_connection_back(**kwargs: Any) -> None:
    """Leave no database connection in a task's thread: hundreds of threads would hold one each."""
    connections.close_all()


@worker_shutting_down.connect
def drain(**kwargs: Any) -> None:
    """On SIGTERM: nothing new is taken, calls in flight get the grace time, the rest is handed back."""
    host().drain()


@worker_shutdown.connect
def stop(**kwargs: Any) -> None:
    """Withdraw, store what is left, release the leases."""
    if _caretaker is not None:
        _caretaker.finish()
    stop_host()
