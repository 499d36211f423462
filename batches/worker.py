"""What a Celery worker process does beside tasks: starts the host, announces itself, keeps maintenance, drains."""

import os
import socket
import threading
from typing import Any

import structlog
from celery.signals import task_postrun, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down
from django.db import connections
from redis.exceptions import RedisError

from workers import presence

from .execution.host import WorkerHost, host, stop_host
from .execution.maintenance import SWEEP_SECONDS, resign, sweep

log = structlog.get_logger(__name__)


class Caretaker(threading.Thread):
    """Announces the process and runs maintenance every few seconds, on a database connection of its own."""

    def __init__(self, worker: WorkerHost) -> None:
        """Care for `worker` until `finish` is called."""
        super().__init__(name="arboretum-caretaker", daemon=True)
        self._worker = worker
        self._finished = threading.Event()
        self._identity = {"host": socket.gethostname(), "pid": os.getpid()}

    def run(self) -> None:
        """Announce and sweep until finished; what fails is logged and tried again at the next round."""
        while not self._finished.is_set():
            self._announce()
            try:
                sweep(self._worker.process)
            except Exception as error:
                log.warning("sweep_failed", error=type(error).__name__)
                connections.close_all()
            self._finished.wait(SWEEP_SECONDS)
        self._leave()

    def _announce(self) -> None:
        slots, running = self._worker.slots, self._worker.running
        try:
            presence.announce(self._worker.process, {**self._identity, "slots": slots.size, "busy": running})
        except RedisError as error:
            log.warning("announce_failed", error=type(error).__name__)

    def _leave(self) -> None:
        try:
            presence.withdraw(self._worker.process)
            resign(self._worker.process)
        except Exception as error:
            log.warning("leave_failed", error=type(error).__name__)
        connections.close_all()

    def finish(self) -> None:
        """Withdraw the process and end the thread."""
        self._finished.set()
        self.join(timeout=10)


_caretaker: Caretaker | None = None


@worker_ready.connect
@worker_process_init.connect
def start(**kwargs: Any) -> None:
    """Start the host and its caretaker, in the process that runs tasks."""
    global _caretaker
    if _caretaker is None or not _caretaker.is_alive():
        _caretaker = Caretaker(host())
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
