"""Worker processes on this machine that live as long as who started them: for `--start-workers` and the demo."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

from .errors import ServerUnavailable
from .presence import live_workers
from .processes import dies_with_parent

START_SECONDS = 60.0
# After the grace time for calls in flight, what they brought is still stored.
EXTRA_SECONDS = 10.0
LOG_TAIL_BYTES = 2_000
CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "arboretum")
# In a container root is usual, and the tasks take JSON alone, which Celery's warning does not know.
QUIET = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


def worker_command(name: str) -> list[str]:
    """Return the command line of one worker process, which serves every queue."""
    options = ["-n", f"{name}@%h", "--without-gossip", "--without-mingle"]
    return [*CELERY, "worker", *options]


def worker_grace_seconds() -> float:
    """Return how long a worker may take to stop."""
    return float(settings.ARBORETUM_GRACE_SECONDS) + EXTRA_SECONDS


class LocalWorkers:
    """`with LocalWorkers():` starts one worker process a core, their logs under the data directory, and stops them."""

    def __init__(self, count: int | None = None) -> None:
        """Take the number of processes; one for each core unless told."""
        self.count = count or os.cpu_count() or 1
        self._folder = Path(settings.ARBORETUM_DATA_DIR) / "logs"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start the processes and wait until all announce themselves. Raises ServerUnavailable where one does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            for number in range(1, self.count + 1):
                self._processes.append(self._start(number))
            self._await_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the processes."""
        self.stop()

    def stop(self) -> None:
        """Have the processes drain; kill those that do not end within their grace time."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + worker_grace_seconds()
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []

    def _log(self, number: int) -> Path:
        return self._folder / f"worker{number}.log"

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        with open(self._log(number), "wb") as log:
            return subprocess.Popen(
                worker_command(f"local{number}-{os.getpid()}"),
                cwd=settings.BASE_DIR,
                env={**os.environ, **QUIET},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches who started them alone, and that stops them in order.
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )

    def _await_all(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = {process.pid for process in self._processes}
        while waiting := waiting - {worker.pid for worker in live_workers()}:
            for number, process in enumerate(self._processes, 1):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ServerUnavailable(
                        f"A worker did not start; its log {self._log(number)} ends:\n{self._tail(number)}"
                    )
            time.sleep(0.05)

    def _tail(self, number: int) -> str:
        return self._log(number).read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
