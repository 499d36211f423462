"""The server as a process, steered from a test."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

_ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 20.0


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class ProviderServer:
    """A running server; a context manager that stops it. `config` are ServerConfig's fields."""

    def __init__(self, *, unix_socket: bool = False, **config: Any) -> None:
        """Start the process and wait until it listens: on a free port, or on `socket_path`."""
        self._folder = Path(tempfile.mkdtemp(prefix="provider-"))
        ready = self._folder / "ready.json"
        self.socket_path = str(self._folder / "socket") if unix_socket else None
        command = [sys.executable, "-m", "tests.support.provider_server", "--ready-file", str(ready)]
        command += ["--config", json.dumps(config), *(["--socket", self.socket_path] if self.socket_path else [])]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
        try:
            self._wait(ready)
        except BaseException:
            self.stop()
            raise
        self.base_url: str = json.loads(ready.read_text())["base_url"]
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def configure(self, **values: Any) -> None:
        """Change settings at run time. Raises ValueError for unknown ones."""
        self._ask("POST", "/control", values)

    def reset(self) -> None:
        """Set the counters to zero."""
        self._ask("POST", "/control", {"reset": True})

    def stats(self, *, contents: bool = False) -> dict[str, Any]:
        """Return the counters; with `contents` also those by content."""
        return self._ask("GET", "/stats?contents" if contents else "/stats")

    def stop(self) -> None:
        """Stop the process and remove its folder; again does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, ready: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"the provider server ended with exit code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError("the provider server did not start")
            time.sleep(0.01)

    def _ask(self, method: str, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        address = urlsplit(self.base_url)
        connection = (
            _SocketConnection(self.socket_path)
            if self.socket_path
            else http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        )
        try:
            connection.request(method, path, json.dumps(values) if values is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"])
        return answer
