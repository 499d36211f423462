"""One Valkey server process: how it is started, asked how it does, and stopped."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from enum import StrEnum
from pathlib import Path

import psutil

from .programs import server_program

STOP_SECONDS = 15.0
ANSWER_SECONDS = 1.0


class ServerState(StrEnum):
    """What a server says when it is asked."""

    READY = "ready"
    LOADING = "loading"
    SILENT = "silent"
    DOWN = "down"


class ValkeyServer:
    """A Valkey (or Redis) server on a Unix socket, with its data, log and process id in one folder."""

    def __init__(self, folder: Path, socket_path: Path) -> None:
        """Name the folder and the socket; nothing is started."""
        self.folder = folder
        self.socket_path = socket_path
        self.pid_path = folder / "valkey.pid"
        self.log_path = folder / "valkey.log"
        self._started: subprocess.Popen[bytes] | None = None

    def state(self) -> ServerState:
        """Ask the server how it does; SILENT where its process lives but gives no answer."""
        answer = self._ask(b"PING\r\n", ANSWER_SECONDS)
        if answer.startswith(b"+PONG"):
            return ServerState.READY
        if answer.startswith(b"-LOADING"):
            return ServerState.LOADING
        return ServerState.SILENT if self.process() else ServerState.DOWN

    def process(self) -> psutil.Process | None:
        """Return the process of this folder's server, None where it does not run.

        A process id alone proves nothing after a crash or a reboot: the server's working directory is its folder.
        """
        try:
            process = psutil.Process(self._pid())
            return process if _runs(process) and Path(process.cwd()) == self.folder.resolve() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def start(self) -> None:
        """Start the server in a session of its own, so that neither Ctrl-C nor its starter's end kills it.

        It may not answer yet when this returns. Raises ServerUnavailable.
        """
        command = [str(server_program()), *self._options()]
        with open(self.log_path, "ab") as log:
            self._started = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        # Before the server answers, so that nobody starts a second one on the same data if we are killed now.
        self.pid_path.write_text(f"{self._started.pid}\n")
        # Whoever starts a process has to take note of its end; else a zombie stays.
        threading.Thread(target=self._started.wait, name="valkey-reaper", daemon=True).start()

    def has_given_up(self) -> bool:
        """Whether the server that was started here has ended."""
        return self._started is not None and self._started.poll() is not None

    def last_words(self) -> str:
        """Return the end of the server's log, for an error message."""
        with contextlib.suppress(OSError):
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            return " | ".join(lines[-3:])
        return f"see {self.log_path}"

    def stop(self) -> bool:
        """Stop the server: ask it to write its data and end, kill it where it does not. Returns whether one ran."""
        process = self.process()
        if process is None:
            return False
        self._ask(b"SHUTDOWN\r\n", STOP_SECONDS)
        if not _wait_for_end(process):
            process.kill()
            _wait_for_end(process)
        self.socket_path.unlink(missing_ok=True)
        self.pid_path.unlink(missing_ok=True)
        return True

    def _pid(self) -> int:
        # The server writes the file once more when it starts, so for a moment it can be empty.
        if self._started is not None and self._started.poll() is None:
            return self._started.pid
        return int(self.pid_path.read_text())

    def _ask(self, command: bytes, wait: float) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(wait)
                connection.connect(os.fspath(self.socket_path))
                connection.sendall(command)
                return connection.recv(256)
        except OSError:
            return b""

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "pidfile": str(self.pid_path),
            "logfile": str(self.log_path),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]


def _runs(process: psutil.Process) -> bool:
    """Whether a process still does anything; a zombie only waits for its parent to look."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def _wait_for_end(process: psutil.Process) -> bool:
    end = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(psutil.NoSuchProcess):
        while _runs(process):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
    return True
