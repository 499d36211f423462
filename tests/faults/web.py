"""A web process of the project beside the workers, and how it answers."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.test import Client

from credentials.models import User
from tests.benchmarks.rig.rig import Rig
from tests.support.waiting import wait_for
from tests.support.worker_harness import ROOT

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
# Who waits longer gives up; the answer counts as none.
LONGEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: the status (0: no answer) and how long it took."""

    path: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Web:
    """A running web server, asked by somebody who is signed in."""

    port: int
    cookie: str

    def get(self, path: str) -> Answer:
        """Ask for a page."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=LONGEST_SECONDS)
        try:
            connection.request("GET", path, headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"})
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        return Answer(path, status, time.monotonic() - began)


@contextmanager
def web_process(rig: Rig, user: User) -> Iterator[Web]:
    """Run the project under uvicorn on a free port, with `user` signed in."""
    client = Client()
    client.force_login(user)
    web = Web(_free_port(), client.cookies[settings.SESSION_COOKIE_NAME].value)
    command = [sys.executable, "-m", "uvicorn", "arboretum.asgi:application", "--host", HOST, "--port", str(web.port)]
    with (rig.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--lifespan", "off", "--timeout-graceful-shutdown", "2"],
            cwd=ROOT,
            env=rig.worker_env(),
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: web.get("/healthz").status == http.HTTPStatus.OK, START_SECONDS, "the web process")
        yield web
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port
