"""A private PostgreSQL cluster on a Unix socket, for the length of a test session."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from workers.processes import dies_with_parent

from .environment import PREFIX

START_SECONDS = 60.0
STOP_SECONDS = 30.0
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "10s",
}
# Nothing outlives a test session, so nothing has to be safe on disk.
UNSAFE_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def postgres_programs() -> Path | None:
    """Return the folder that holds `initdb` and `postgres`, the newest of several; None where there is none."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))], reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class PostgresCluster:
    """A cluster of its own: made, started, stopped, removed."""

    def __init__(self, *, durable: bool = False) -> None:
        """Make its folder; with `durable` commits are safe on disk, as in production.

        Raises RuntimeError where PostgreSQL's programs are not found.
        """
        found = postgres_programs()
        if found is None:
            raise RuntimeError("PostgreSQL's initdb was not found on PATH or below /usr/lib/postgresql")
        self.programs = found
        self.user = _unprivileged_user()
        # Named like the folder of a test process, so that a later session removes what a killed one left.
        self._outer = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._outer.chmod(0o711)
        self.folder = self._outer / "pg"
        self.folder.mkdir(mode=0o700)
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._options = OPTIONS if durable else OPTIONS | UNSAFE_OPTIONS
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The DATABASE_URL of the cluster's own database `postgres`."""
        return f"postgresql://arboretum@/{self.folder}/postgres"

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._server.pid if self._server else None

    def start(self) -> None:
        """Make the cluster if it is new, start the server, and wait until it takes connections."""
        data = self.folder / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "arboretum", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self._server = subprocess.Popen(
                [self.programs / "postgres", "-D", data, "-k", self.folder, *options],
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(signal.SIGINT),
                **self._identity(),
            )
        self._await_answer()

    def stop(self) -> None:
        """Stop the server, with its connections, and remove the folder."""
        self.shut_down()
        shutil.rmtree(self._outer, ignore_errors=True)

    def shut_down(self) -> None:
        """Stop the server, with its connections; `start` brings it back with its data."""
        if self._server is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None

    def _await_answer(self) -> None:
        import psycopg2

        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg2.connect(host=str(self.folder), user="arboretum", dbname="postgres").close()
                return
            except psycopg2.OperationalError:
                if time.monotonic() > end or (self._server and self._server.poll() is not None):
                    raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from None
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments], capture_output=True, text=True, check=False, **self._identity()
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def _identity(self) -> dict[str, Any]:
        """Return how a program is started as an unprivileged user: PostgreSQL refuses to run as root."""
        common: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            "start_new_session": True,
        }
        if self.user:
            account = pwd.getpwnam(self.user)
            common |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return common


def _unprivileged_user() -> str | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL cannot run as root, and there is no user 'postgres' or 'nobody'")
