"""This machine: clocks, disk, journals, open files."""

import resource
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from batches.execution.burying import left_journals
from workers.presence import live_workers
from workers.redis import connection as redis_connection

from .findings import Finding, ok, problem, warning

# Starts are reserved by Redis' clock and leases kept by the database's; both have a second or so to spare.
SKEW_MS, BAD_SKEW_MS = 500.0, 5_000.0
MIN_FREE, LOW_FREE = 200 * 2**20, 2 * 2**30
# Beside a connection for each run in flight: threads' own connections, logs, the journal, Python's files.
SPARE_FILES = 400
FULL_SHARE = 0.8
_ASKED = 5


def look_at_clocks() -> Iterator[Finding]:
    """How far this machine's clock is from those of Redis and the database."""
    skews = {"Redis": _skew(_redis_time)}
    if connection.vendor == "postgresql":
        skews["the database"] = _skew(_database_time)
    for name, skew in skews.items():
        if abs(skew) > SKEW_MS:
            text = f"This machine's clock is {abs(skew):,.0f} ms {'ahead of' if skew > 0 else 'behind'} that of {name}."
            harm = "starts of calls, retries and expiry come early or late"
            advice = f"Until all clocks follow one time server (chrony, systemd-timesyncd), {harm}."
            yield (problem if abs(skew) > BAD_SKEW_MS else warning)(text, advice, skew_ms=skew)
    said = ", ".join(f"{name} {skew:+.1f} ms" for name, skew in skews.items())
    yield ok(
        f"This machine's clock against {said}.", **{name.split()[-1].lower(): skew for name, skew in skews.items()}
    )


def _skew(ask: Callable[[], float]) -> float:
    """Return our clock less theirs in milliseconds: of a few questions that with the quickest answer."""
    found = []
    for _ in range(_ASKED):
        began = time.time()
        theirs = ask()
        ended = time.time()
        found.append((ended - began, 1000 * ((began + ended) / 2 - theirs)))
    return round(min(found)[1], 1)


def _redis_time() -> float:
    seconds, microseconds = redis_connection().time()
    return float(seconds) + float(microseconds) / 1e6


def _database_time() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def look_at_disk() -> Iterator[Finding]:
    """Free space where the data directory and SQLite's file lie, and journals that dead processes left."""
    for folder in sorted(_folders()):
        usage = shutil.disk_usage(folder)
        text = f"{usage.free / 2**30:,.1f} GiB of {usage.total / 2**30:,.1f} GiB are free at {folder}."
        make = problem if usage.free < MIN_FREE else warning if usage.free < LOW_FREE else None
        advice = "Free some: what cannot be written is lost, and a full disk stops the database."
        yield make(text, advice, free=usage.free) if make else ok(text, free=usage.free)


def look_at_journals() -> Iterator[Finding]:
    """Journals of worker processes that died and that no worker has buried yet."""
    left = left_journals()
    if left:
        text = f"{len(left)} journals of dead workers wait: answers that were paid for, not stored yet."
        yield warning(text, "Start a worker on this machine, with this data directory: it stores them.", left=left)
    else:
        yield ok("No journal of a dead worker is left over.")


def _folders() -> set[Path]:
    folders = {Path(settings.ARBORETUM_DATA_DIR)}
    name = settings.DATABASES["default"].get("NAME", "")
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite") and Path(str(name)).parent.is_dir():
        folders.add(Path(str(name)).parent)
    return folders


def look_at_files() -> Iterator[Finding]:
    """How many files a process may open, against the calls that it may have in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.ARBORETUM_WORKER_SLOTS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        text = f"A process may open {soft:,} files; {settings.ARBORETUM_WORKER_SLOTS:,} slots need about {wanted:,}."
        raised = f"ulimit -n {wanted}" + ("" if hard == resource.RLIM_INFINITY or hard >= wanted else " (as root)")
        yield problem(
            text, f"Before the worker starts: {raised}; or lower ARBORETUM_WORKER_SLOTS.", soft=soft, hard=hard
        )
    else:
        yield ok(f"A process may open {soft:,} files; {settings.ARBORETUM_WORKER_SLOTS:,} slots need about {wanted:,}.")


def look_at_open_files() -> Iterator[Finding]:
    """How many files the workers of this machine have open."""
    counts = {}
    for worker in live_workers():
        if worker.host == socket.gethostname():
            counts[worker.name] = _open_files(worker.pid)
    for name, (used, most) in counts.items():
        if used > FULL_SHARE * most:
            yield problem(f"{name} has {used:,} of {most:,} files open.", "Restart it with a higher ulimit -n.")
    used = max((used for used, _ in counts.values()), default=0)
    yield ok(f"{len(counts)} workers on this machine, at most {used:,} files open.")


def _open_files(pid: int) -> tuple[int, int]:
    """Return how many files a process has open and may open; nothing is known of one that is not ours."""
    try:
        process = psutil.Process(pid)
        return process.num_fds(), process.rlimit(psutil.RLIMIT_NOFILE)[0]
    except psutil.Error:
        return 0, 1
