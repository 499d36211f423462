"""A stack of one case's own: data directory, embedded Valkey, SQLite or PostgreSQL, and worker processes."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from tests.support.environment import TestEnvironment, stop_valkey
from tests.support.postgres import PostgresCluster
from tests.support.worker_harness import ROOT, Workers
from workers.embedded.paths import valkey_socket
from workers.embedded.server import ValkeyServer

VALKEY_END_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Rig:
    """The stack. Workers and provider servers are started by the case, with `with`. `cluster` is PostgreSQL's."""

    database: str
    folder: Path
    cluster: PostgresCluster | None = None

    def workers(self, count: int = 2, **options: Any) -> Workers:
        """Return `count` worker processes, to be started by `with`; `options` are the harness' own."""
        return Workers(count, env=self.worker_env(), **options)

    def worker_env(self) -> dict[str, str]:
        """Return the environment of a process that shall see this stack; its logs are JSON lines."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LOG_FORMAT": "json"}

    def kill_valkey(self) -> None:
        """Kill the server (SIGKILL) and wait for its end."""
        process = self._valkey().process()
        assert process is not None, "Valkey does not run"
        process.kill()
        process.wait(VALKEY_END_SECONDS)

    def start_valkey(self, *, empty: bool = False) -> None:
        """Start the server again, with `empty` as one that has never written anything to disk."""
        from workers.embedded.valkey import ensure_redis

        if empty:
            shutil.rmtree(self.folder / "valkey" / "appendonlydir")
        ensure_redis()

    def copy_logs(self, target: Path) -> None:
        """Copy what the workers wrote to the folder `target`."""
        target.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob("*.log"):
            shutil.copy(path, target)

    def _valkey(self) -> ValkeyServer:
        return ValkeyServer(self.folder / "valkey", valkey_socket(self.folder))


@contextmanager
def standing_rig(database: str) -> Iterator[Rig]:
    """Set a stack up and take it down. Raises RuntimeError where a process that the case started is left behind.

    Works once in a process, and before anything has read the settings. Commits of PostgreSQL are safe on disk.
    """
    environment = TestEnvironment()
    cluster = PostgresCluster(durable=True) if database == "postgresql" else None
    try:
        if cluster:
            cluster.start()
        environment.enter(cluster.url if cluster else "")
        _set_up()
        yield Rig(database, environment.folder, cluster)
        stop_valkey(environment.folder)
        left = [process.name() for process in environment.left_behind()]
        if left:
            raise RuntimeError(f"processes were left behind: {', '.join(left)}")
    finally:
        _close_connections()
        if cluster:
            cluster.stop()
        environment.remove()


def _set_up() -> None:
    from django.core.management import call_command

    from workers.embedded.valkey import ensure_redis

    django.setup()
    # The case tells what matters; the workers write logs of their own.
    logging.disable(logging.WARNING)
    ensure_redis()
    call_command("migrate", verbosity=0)


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
