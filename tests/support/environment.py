"""The private environment of one test process: a short temporary data directory, and settings read from it alone."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from workers.embedded.paths import valkey_socket
from workers.embedded.server import ValkeyServer

PREFIX = "arb-"
# Every process that a test starts inherits it; what still carries it at the end was left behind.
MARK = "ARBORETUM_TEST_PROCESS"


class TestEnvironment:
    """The data directory and the variables of one test process."""

    __test__ = False

    def __init__(self) -> None:
        """Make the data directory. Its name carries our process id, so that a later session can tell it is stale."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

    def enter(self, database_url: str) -> None:
        """Set the variables for this process and its children, and read the settings anew.

        pytest-django has set Django up from the caller's environment before any conftest is looked at. Nothing is
        connected yet, so the settings, and the database handler that knows the old ones, can still be replaced.
        """
        os.environ.update(self.variables(database_url))
        logging.getLogger("environ").setLevel(logging.WARNING)  # it would tell every time that there is no .env
        for name in [name for name in sys.modules if name.startswith("arboretum.settings")]:
            del sys.modules[name]
        from django.conf import settings
        from django.db import connections

        from arboretum.celery import app

        assert not app.configured, "Celery read its settings before the tests' own were set"
        settings._setup()
        vars(connections).pop("settings", None)
        connections.__init__()

    def variables(self, database_url: str) -> dict[str, str]:
        """Return every variable that would change what the settings say; an empty one means its default."""
        return {
            MARK: str(os.getpid()),
            "ARBORETUM_DATA_DIR": str(self.folder),
            "ARBORETUM_ENV": "development",
            "ARBORETUM_ENCRYPTION_KEYS": "",
            "ARBORETUM_FILES_URL": "",
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "arboretum.settings",
            "LOG_FORMAT": "console",
            "LOG_LEVEL": "INFO",
            "REDIS_URL": "",
            "SECRET_KEY": "",
        }

    def left_behind(self) -> list[psutil.Process]:
        """Return the processes that tests started and did not stop."""
        return list(_processes_of(str(os.getpid()), self.folder))

    def remove(self) -> None:
        """Stop what still runs and delete the data directory."""
        for process in self.left_behind():
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep_stale() -> None:
    """Stop the servers and delete the folders of test processes that were killed and could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if not owner.isdigit() or psutil.pid_exists(int(owner)) or folder.stat().st_uid != os.getuid():
            continue
        for process in _processes_of(owner, folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def stop_valkey(data_dir: Path) -> bool:
    """Stop the embedded Valkey of a data directory by its process id. Returns whether it ran."""
    return ValkeyServer(data_dir / "valkey", valkey_socket(data_dir)).stop()


def _processes_of(owner: str, folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            # Servers overwrite their environment with their title, so where they work is looked at too.
            if process.environ().get(MARK) == owner or Path(process.cwd()).is_relative_to(folder):
                yield process
        except (psutil.Error, OSError):
            continue
