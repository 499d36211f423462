"""Real Celery worker processes for tests that must see them work, freeze and die."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.processes import dies_with_parent

from .waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 30.0
# What a worker writes when it takes tasks (celery/apps/worker.py).
READY = " ready."


class WorkerProcess:
    """One `celery worker` process, which can be started again after its end."""

    def __init__(self, name: str, env: Mapping[str, str], arguments: tuple[str, ...]) -> None:
        """Name the node and what it is started with."""
        self.name = name
        self.log_path = Path(tempfile.mkstemp(prefix=f"{name}-", suffix=".log", dir=env.get("ARBORETUM_DATA_DIR"))[1])
        self._env = dict(env)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def log(self) -> str:
        """What the process that was started last has written."""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def start(self) -> None:
        """Start the process; `wait_ready` says when it takes tasks."""
        self._log_start = self.log_path.stat().st_size
        command = [sys.executable, "-m", "celery", "-A", "arboretum", "worker", "-n", f"{self.name}@%h", "-l", "INFO"]
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [*command, "--without-gossip", "--without-mingle", *self._arguments],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )

    def wait_ready(self) -> None:
        """Wait until the worker takes tasks. Raises AssertionError with its log when it ends before."""
        wait_for(lambda: READY in self.log or self.process.poll() is not None, START_SECONDS, f"{self.name} to start")
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.log}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it lives."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the end of the process and return its exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """Make sure that the process is gone: asked first, killed where it does not go."""
        if self._process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.wait()


class Workers:
    """Several worker processes: `with Workers(2, env=worker_env) as workers: ...`. Logs are printed on failure."""

    def __init__(
        self,
        count: int = 2,
        *,
        env: Mapping[str, str] | None = None,
        slots: int | None = None,
        grace_seconds: float = 5.0,
        lease_seconds: float = 20.0,
        arguments: tuple[str, ...] = (),
    ) -> None:
        """Take the environment (the fixture `worker_env`), runs in flight a process, and further arguments."""
        values = {
            **(env if env is not None else os.environ),
            "ARBORETUM_GRACE_SECONDS": str(grace_seconds),
            "ARBORETUM_LEASE_SECONDS": str(lease_seconds),
        }
        if slots is not None:
            values["ARBORETUM_WORKER_SLOTS"] = str(slots)
        self.processes = [WorkerProcess(f"w{number}", values, arguments) for number in range(count)]

    def __enter__(self) -> Self:
        """Start all and wait until all take tasks."""
        try:
            for worker in self.processes:
                worker.start()
            for worker in self.processes:
                worker.wait_ready()
        except BaseException:
            self._end()
            self._print_logs()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop all; show what they wrote where the test failed."""
        self._end()
        if kind is not None:
            self._print_logs()

    @property
    def pids(self) -> list[int]:
        """The process ids, in order."""
        return [worker.process.pid for worker in self.processes]

    def log(self, number: int) -> str:
        """Return what a worker has written since it was started last."""
        return self.processes[number].log

    def kill(self, number: int) -> None:
        """Kill a worker (SIGKILL) and wait for its end."""
        self.stop(number, signal.SIGKILL)
        self.processes[number].wait()

    def terminate(self, number: int) -> None:
        """Ask a worker to stop (SIGTERM); `wait` for its end."""
        self.stop(number, signal.SIGTERM)

    def stop(self, number: int, with_signal: signal.Signals = signal.SIGSTOP) -> None:
        """Send a worker a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        self.processes[number].signal(with_signal)

    def wait(self, number: int, seconds: float = STOP_SECONDS) -> int:
        """Wait for a worker's end and return its exit code."""
        return self.processes[number].wait(seconds)

    def restart(self, number: int) -> None:
        """Stop a worker if it lives, start it anew, and wait until it takes tasks."""
        worker = self.processes[number]
        worker.end()
        worker.start()
        worker.wait_ready()

    def _end(self) -> None:
        for worker in self.processes:
            if worker._process is not None:
                worker.signal(signal.SIGCONT)
                worker.signal(signal.SIGTERM)
        for worker in self.processes:
            worker.end()

    def _print_logs(self) -> None:
        for worker in self.processes:
            print(f"--- {worker.name} ---\n{worker.log[-20_000:]}")
