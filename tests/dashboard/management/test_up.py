"""`manage.py up` and `down`, for real: everything starts on a free port and nothing stays."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dashboard.management.stack import only_stack_of, port_is_free
from tests.support.ports import free_port
from tests.support.waiting import wait_for
from workers.embedded.paths import flower_socket, valkey_socket
from workers.embedded.server import ServerState, ValkeyServer

ROOT = Path(__file__).resolve().parent.parent.parent.parent
READY = "Sign in as 'admin'"


class Stack:
    """One `manage.py up` in a data directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder / "output"
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), "--workers", "2"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment(folder), stdout=output, stderr=output)

    def said(self) -> str:
        return self.output.read_text()

    def await_text(self, text: str) -> None:
        wait_for(lambda: text in self.said() or self.process.poll() is not None, 60, f"'{text}' in:\n{self.said()}")
        assert text in self.said(), self.said()

    def parts(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def valkey(self) -> ValkeyServer:
        return ValkeyServer(self.folder / "valkey", valkey_socket(self.folder))


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a stack with a database of its own: it is no part of the test's."""
    return {**os.environ, "ARBORETUM_DATA_DIR": str(folder), "DATABASE_URL": "", "ARBORETUM_GRACE_SECONDS": "2"}


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(folder), capture_output=True, text=True, check=False)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.fixture
def stack(short_folder: Path) -> Iterator[Stack]:
    stack = Stack(short_folder)
    yield stack
    stack.process.kill()
    stack.process.wait()
    stack.valkey.stop()


@pytest.mark.worker
def test_everything_starts_answers_and_stops_on_ctrl_c(stack: Stack) -> None:
    stack.await_text(READY)
    base = f"http://127.0.0.1:{stack.port}"
    assert f"Arboretum runs at {base}/" in stack.said()
    assert get(f"{base}/healthz") == "ok\n"
    link = re.search(rf"{base}/sign-in/\S+", stack.said()).group()
    assert "admin" in get(link)
    assert flower_status(stack) == 200
    names = {line.split("|")[0].strip() for line in stack.said().splitlines() if "|" in line}
    assert {"web", "worker1", "worker2"} <= names | part_names(stack)

    parts = stack.parts()
    assert not [c for part in parts for c in part.net_connections("tcp") if listens_elsewhere(c, stack.port)]
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(40) == 0, stack.said()
    assert gone(parts)
    assert stack.valkey.state() is ServerState.DOWN
    assert "Traceback" not in stack.said(), stack.said()
    assert stack.said().endswith("valkey  | stopped\nStopped.\n")


@pytest.mark.worker
def test_it_starts_a_dead_valkey_again_and_killed_itself_leaves_valkey_alone_which_down_stops(stack: Stack) -> None:
    stack.await_text(READY)
    stack.valkey.process().kill()
    wait_for(lambda: stack.valkey.state() is ServerState.READY, 10, "Valkey to be started again")
    parts = stack.parts()
    assert len(parts) >= 4
    stack.process.kill()
    wait_for(lambda: gone([part for part in parts if part.pid != valkey_pid(stack)]), 20, "the parts to end")

    assert stack.valkey.state() is ServerState.READY
    down = manage(stack.folder, "down")
    assert (down.returncode, down.stdout) == (0, "Valkey stopped.\n"), down.stderr
    assert stack.valkey.state() is ServerState.DOWN
    assert manage(stack.folder, "down").stdout == "No embedded Valkey is running.\n"


def test_a_port_that_is_taken_is_named(short_folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not port_is_free(port)
        done = manage(short_folder, "up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} is taken; choose another with --port or PORT." in done.stderr
    assert not (short_folder / "valkey").exists()


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310  # our own server
        return response.read().decode()


def valkey_pid(stack: Stack) -> int | None:
    process = stack.valkey.process()
    return process.pid if process else None


def part_names(stack: Stack) -> set[str]:
    """The parts that have not written anything, by what they were started with."""
    lines = [" ".join(part.cmdline()) for part in stack.parts()]
    found = {f"worker{number}" for number in (1, 2) if any(f"worker{number}@" in line for line in lines)}
    return found | ({"web"} if any("uvicorn" in line for line in lines) else set())


def listens_elsewhere(connection: object, port: int) -> bool:
    return connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) != ("127.0.0.1", port)


def flower_status(stack: Stack) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(flower_socket(stack.folder)))
        connection.sendall(b"GET /flower/healthcheck HTTP/1.0\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


def test_no_workers_at_all_are_refused(short_folder: Path) -> None:
    done = manage(short_folder, "up", "--workers", "0")
    assert done.returncode == 2
    assert "--workers must be at least 1." in done.stderr


@pytest.mark.parametrize("port", ["99999", "0", "-1"])
def test_a_port_out_of_range_is_refused(short_folder: Path, port: str) -> None:
    done = manage(short_folder, "up", f"--port={port}")
    assert done.returncode == 2
    assert "--port must be from 1 to 65535." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_stack_on_a_data_directory_is_refused_and_told_of_the_first(short_folder: Path) -> None:
    with only_stack_of(short_folder):
        done = manage(short_folder, "up", "--port", str(free_port()))
    assert done.returncode == 1
    assert f"already runs on the data directory {short_folder} (process {os.getpid()})" in done.stderr
    assert "Starting" not in done.stdout
    assert not (short_folder / "valkey").exists()


def test_the_end_of_a_stack_lets_the_next_one_run(short_folder: Path) -> None:
    for _ in range(2):
        with only_stack_of(short_folder):
            assert (short_folder / "up.lock").read_text() == f"{os.getpid()}\n"
