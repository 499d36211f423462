"""A receiver of webhooks: a real server that keeps what it gets and answers as a test has it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """One request: its headers (names in lower case) and its body."""

    headers: dict[str, str]
    body: bytes
    path: str


@dataclass
class Receiver:
    """What came, and what is answered: `answers` one after the other, then 200. `pause` is in seconds."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    pause: float = 0.0
    most_at_once: int = 0
    _inside: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    def then(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer the next request but those already planned with this."""
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))

    def take(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        """Keep a request and return its answer."""
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        time.sleep(self.pause)
        with self._lock:
            self._inside -= 1
            self.requests.append(request)
            return self.answers.pop(0) if self.answers else (200, {}, b"thanks")


class Server(ThreadingHTTPServer):
    """Takes many connections at once, and says nothing of those who hang up."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a port of 127.0.0.1."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, text = receiver.take(Received(headers, body, self.path))
            self.send_response(status)
            for name, value in answered.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
