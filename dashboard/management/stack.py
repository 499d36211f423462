"""The parts of the stack that `manage.py up` runs, and how to tell that each of them answers."""

import http.client
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings

from workers.embedded.locks import FileLock
from workers.embedded.paths import flower_socket
from workers.errors import InvalidInput, ServerUnavailable
from workers.local import CELERY, QUIET, worker_command, worker_grace_seconds
from workers.presence import live_workers
from workers.supervisor import Part

HOST = "127.0.0.1"
LAST_PORT = 65535
ASK_SECONDS = 2.0
# Open streams would hold the web process for ever.
WEB_GRACE_SECONDS = 5


def stages(port: int, workers: int, data_dir: Path) -> Sequence[Sequence[Part]]:
    """Return the parts in the order in which they stop: what takes in work first, what does it last."""
    return [[web(port)], [flower(data_dir)], [worker(number) for number in range(1, workers + 1)]]


def web(port: int) -> Part:
    """Return the web server on `port` of this machine alone."""
    command = ["uvicorn", "arboretum.asgi:application", "--host", HOST, "--port", str(port)]
    proxies = f"--forwarded-allow-ips={','.join(settings.TRUSTED_PROXIES)}"
    grace = ["--timeout-graceful-shutdown", str(WEB_GRACE_SECONDS), "--no-access-log", "--lifespan", "off", proxies]
    ready = partial(_answers_http, port)
    return Part("web", [sys.executable, "-m", *command, *grace], ready, grace_seconds=WEB_GRACE_SECONDS + 5.0)


def flower(data_dir: Path) -> Part:
    """Return Flower, on a Unix socket that the web server alone passes on (staff only)."""
    path = flower_socket(data_dir)
    options = [f"--unix-socket={path}", "--url-prefix=flower", "--logging=warning"]
    # Its buttons work: the web server lets staff alone through to its socket.
    env = {"FLOWER_UNAUTHENTICATED_API": "true", **QUIET}
    return Part("flower", [*CELERY, "flower", *options], partial(_listens, path), env=env)


def worker(number: int) -> Part:
    """Return one worker process, which serves every queue."""
    name = f"worker{number}"
    return Part(name, worker_command(name), _is_present, worker_grace_seconds(), QUIET)


@contextmanager
def only_stack_of(data_dir: Path) -> Iterator[None]:
    """Be the one stack of a data directory for the length of a block. Raises ServerUnavailable where another is.

    A second one would take Flower's socket and the names of the workers from the first.
    """
    lock = FileLock(data_dir / "up.lock")
    if not lock.try_alone():
        raise ServerUnavailable(f"Arboretum already runs on the data directory {data_dir} (process {lock.holder()}).")
    try:
        lock.sign()
        yield
    finally:
        lock.release()


def port_is_free(port: int) -> bool:
    """Whether a server can listen on `port` of this machine. Raises InvalidInput for what is no port."""
    if not 1 <= port <= LAST_PORT:
        raise InvalidInput(f"--port must be from 1 to {LAST_PORT}.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers_http(port: int, pid: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def _listens(path: Path, pid: int) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ASK_SECONDS)
        connection.connect(str(path))
    return True


def _is_present(pid: int) -> bool:
    return any(worker.pid == pid for worker in live_workers())
