"""Python, the libraries, the settings."""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from django.conf import settings
from django.core import checks

from credentials.checks import CONFIGURATION

from .findings import Finding, ok, problem, warning

OLDEST_PYTHON = (3, 11)
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
NAMED = 5


def look_at_python() -> Iterator[Finding]:
    """Python itself, and whether the libraries are those of the lock."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield problem(f"Python {version} is too old.", "Make .venv anew with Python 3.11 or later: make clean demo")
    lock = Path(settings.BASE_DIR) / "requirements.txt"
    if not lock.is_file():
        yield ok(f"Python {version}; no lock to compare the libraries with.", python=version)
        return
    locked = dict(_LOCKED.findall(lock.read_text(encoding="utf-8")))
    installed = {name: _version(name) for name in locked}
    again = f"Install what is locked: {sys.executable} -m pip install --require-hashes -r requirements.txt"
    if missing := [name for name, found in installed.items() if found is None]:
        yield problem(f"Missing libraries: {_some(missing)}.", again, missing=missing)
    other = [
        f"{name} {found} (locked: {locked[name]})"
        for name, found in installed.items()
        if found not in (None, locked[name])
    ]
    if other:
        yield warning(f"Libraries of other versions than locked: {_some(other)}.", again, other=other)
    if not missing and not other:
        yield ok(f"Python {version}; all {len(locked)} libraries as locked.", python=version)


def look_at_settings() -> Iterator[Finding]:
    """The system checks of the configuration, which also every other command makes."""
    found = checks.run_checks(tags=[CONFIGURATION])
    for message in found:
        make = problem if message.is_serious() else warning
        yield make(f"{message.msg} ({message.id})", message.hint or "See docs/configuration.md.")
    if settings.DEBUG and not found:
        yield warning("DEBUG is on: visitors see tracebacks with their variables.", "Unset DEBUG, or set it to 0.")
    if not found:
        given = "given" if settings.REDIS_URL_GIVEN else "embedded"
        yield ok(
            f"Environment {settings.ARBORETUM_ENV}; secrets present; Redis {given}.", environment=settings.ARBORETUM_ENV
        )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
