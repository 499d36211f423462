"""What happens when a watched batch has ended: the terminal's bell, a command of the user's."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from batches.models import Batch

_BELL = "\a"


def add_ending(parser: argparse.ArgumentParser) -> None:
    """Declare `--bell` and `--then`."""
    parser.add_argument("--bell", action="store_true", help="Ring the terminal's bell when the batch has ended.")
    then = "Run by your shell when the batch has ended; BATCH_ID, BATCH_STATE and so on are in its environment."
    parser.add_argument("--then", metavar="CMD", help=then)


def ring(stream: IO[str]) -> None:
    """Ring the bell of the terminal behind `stream`, where there is one."""
    if stream.isatty():
        stream.write(_BELL)
        stream.flush()


def batch_environment(batch: Batch, output: Path | None) -> dict[str, str]:
    """Return what a command may know of a batch that has ended. Nothing of it is ever part of a command line."""
    facts = {
        "ID": batch.pk,
        "NAME": batch.name,
        "STATE": batch.state,
        "SUCCEEDED": batch.succeeded,
        "FAILED": batch.failed,
        "TOTAL": batch.total,
        "COST": f"{batch.cost:f}",
        "OUTPUT": output.resolve() if output is not None else "",
    }
    return {f"BATCH_{name}": _storable(str(value)) for name, value in facts.items()}


def run_then(command: str, batch: Batch, output: Path | None, *, quiet: bool = False) -> int:
    """Run `command` by the user's shell and return its exit code, 128 and the signal's number where one ended it.

    What it writes goes where our own output goes; with `quiet` to standard error.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    environment = {**os.environ, **batch_environment(batch, output)}
    sys.stdout.flush()
    stdout = sys.__stderr__ if quiet else None
    done = subprocess.run([shell, "-c", command], env=environment, stdout=stdout, check=False)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _storable(text: str) -> str:
    """Return `text` as an environment can hold it: no NUL, no half of a character."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
