"""The process of one case: takes the case on standard input, answers with its lines on standard output (pickled)."""

import importlib
import os
import pickle
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from .case import Case, Size
from .rig import standing_rig

# In the table; standard error has it whole.
LONGEST_ERROR = 120


class OutOfTime(Exception):
    """The case took longer than it may."""


def main() -> None:
    """Run the case, and answer with its lines and what went wrong."""
    case, database, size, logs = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the program that started us
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a case prints is no part of the answer
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
    with answer:
        pickle.dump((lines, error), answer)


def _run(case: Case, database: str, size: Size, logs: Path | None, lines: list[Any]) -> None:
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


if __name__ == "__main__":
    main()
