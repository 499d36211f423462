"""A case in a process of its own: its settings and servers are its own, and it ends in bounded time."""

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.environment import sweep_stale
from tests.support.worker_harness import ROOT
from workers.processes import dies_with_parent

from .case import Case, Result, Size

CHILD = "tests.benchmarks.rig.child"
# After its time is over a case still stops its servers and workers.
CLEAN_UP_SECONDS = 120


def run_in_own_process(case: Case, database: str, size: Size, logs: Path | None) -> Result:
    """Run a case and return what it yielded, also when it failed; worker logs are copied to `logs`."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", CHILD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=dies_with_parent(signal.SIGINT),
    )
    try:
        lines, error = _answer(process, pickle.dumps((case, database, size, logs)), case.seconds + CLEAN_UP_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.returncode:
            # It was killed: what it started is still there.
            sweep_stale()
    return Result(case, database, lines, time.monotonic() - started, error)


def _answer(process: "subprocess.Popen[bytes]", question: bytes, seconds: float) -> tuple[list[Any], str | None]:
    try:
        answer, _ = process.communicate(question, timeout=seconds)
    except subprocess.TimeoutExpired:
        return [], f"its process did not end {CLEAN_UP_SECONDS} s after its time was over"
    except KeyboardInterrupt:
        # The child has got it too, and now stops what it started.
        process.wait(CLEAN_UP_SECONDS)
        raise
    return pickle.loads(answer) if answer else ([], "its process died")  # noqa: S301 - from our own child
