"""A real web process: `uvicorn arboretum.asgi:application` with a test's database, Redis and secrets."""

import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from workers.processes import dies_with_parent

from .ports import free_port
from .waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 15.0
OPTIONS = ("--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "2")


class WebServer:
    """`with WebServer(env) as server: ...`. Its log is printed where the block fails."""

    def __init__(
        self, env: Mapping[str, str], *, application: str = "arboretum.asgi:application", **settings: str
    ) -> None:
        """Take the environment (the fixture `worker_env`, or `server_env`), and variables to set besides."""
        self._application = application
        self.port = free_port()
        self.log_path = Path(tempfile.mkstemp(prefix="web-", suffix=".log", dir=env.get("ARBORETUM_DATA_DIR"))[1])
        self._env = {**env, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def memory(self) -> int:
        """Resident memory of the process, in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def peak_memory(self) -> int:
        """The most resident memory that the process ever had (VmHWM of proc(5)), in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

    @property
    def log(self) -> str:
        """What the process has written."""
        return self.log_path.read_text(errors="replace")

    def __enter__(self) -> Self:
        """Start the process and wait until it answers."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the process; show what it wrote where the test failed."""
        self.stop()
        if kind is not None:
            print(f"--- web ---\n{self.log[-20_000:]}")

    def start(self) -> None:
        """Start the process at the same port, and wait until it answers. Raises AssertionError with its log."""
        command = [sys.executable, "-m", "uvicorn", self._application, "--port", str(self.port), *OPTIONS]
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        try:
            wait_for(self._is_ready, START_SECONDS, "the web server to answer")
        except BaseException:
            self.stop()
            print(self.log[-20_000:])
            raise

    def kill(self) -> None:
        """Kill the process (SIGKILL) and wait for its end."""
        self.stop(signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """Wait until the process has ended by itself; return its exit code. Raises subprocess.TimeoutExpired."""
        assert self._process is not None, "the server was not started"
        code = self._process.wait(seconds)
        self._process = None
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the process, which gets STOP_SECONDS to end by itself."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _is_ready(self) -> bool:
        assert self._process is None or self._process.poll() is None, f"the web server ended:\n{self.log}"
        try:
            with urllib.request.urlopen(f"{self.origin}/healthz", timeout=1) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False
