"""A case in a process of its own: its settings and servers are its own, and it ends in bounded time."""

import importlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from tests.support.environment import sweep_stale

from .case import Case, Result, Size

# After its time is over a case still stops its servers and workers.
CLEAN_UP_SECONDS = 120
# In the table; standard error has it whole.
LONGEST_ERROR = 120


class OutOfTime(Exception):
    """The case took longer than it may."""


def run_in_own_process(case: Case, database: str, size: Size, logs: Path | None) -> Result:
    """Run a case and return what it yielded, also when it failed; worker logs are copied to `logs`."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    arguments = (sending, case, database, size, logs)
    process = multiprocessing.get_context("spawn").Process(target=_child, args=arguments, name=case.name)
    started = time.monotonic()
    process.start()
    sending.close()
    try:
        lines, error = _received(receiving, case.seconds + CLEAN_UP_SECONDS)
        process.join(CLEAN_UP_SECONDS)
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        if process.exitcode:
            _clean_up_after(process.pid)
    return Result(case, database, lines, time.monotonic() - started, error)


def _received(receiving: Connection, seconds: float) -> tuple[list[Any], str | None]:
    try:
        if receiving.poll(seconds):
            return receiving.recv()
    except EOFError:
        return [], "its process died"
    return [], f"its process did not end {CLEAN_UP_SECONDS} s after its time was over"


def _clean_up_after(pid: int | None) -> None:
    """Stop the servers of a case that was killed, and delete what it left."""
    sweep_stale()
    for folder in Path(tempfile.gettempdir()).glob(f"arb-pg-{pid}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _child(sending: Connection, case: Case, database: str, size: Size, logs: Path | None) -> None:
    os.dup2(2, 1)  # standard output is the table's alone
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(case.seconds)
    lines: list[Any] = []
    error = None
    try:
        _run(case, database, size, logs, lines)
    except (Exception, KeyboardInterrupt) as failure:
        traceback.print_exc()
        error = f"{type(failure).__name__}: {failure}".split("\n")[0][:LONGEST_ERROR]
    signal.alarm(0)
    sending.send((lines, error))


def _run(case: Case, database: str, size: Size, logs: Path | None, lines: list[Any]) -> None:
    from .rig import standing_rig

    with standing_rig(database) as rig:
        try:
            # Only now: what it imports reads the settings.
            for line in importlib.import_module(case.module).run(rig, size, **case.options):
                lines.append(line)  # noqa: PERF402 - those before a failure are kept
        finally:
            # Once over its time it may still clean up, but not be interrupted in that.
            signal.alarm(0)
            if logs is not None:
                rig.copy_logs(logs / f"{case.name}-{database}")


def _give_up(number: int, frame: FrameType | None) -> None:
    raise OutOfTime("it took longer than it may")
