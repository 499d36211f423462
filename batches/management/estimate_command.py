"""`manage.py batches estimate`: what a file will take, from its prompts, from a pilot, or from a batch's ended rows."""

import argparse
import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError
from rich.console import Console

from agents.selectors import get_version
from batches.estimating.from_prompts import estimate_file
from batches.estimating.from_rows import estimate_batch
from batches.estimating.sampling import LEAST_PILOT, MOST_PILOT, check_pilot
from batches.execution.pilots import end_pilot
from batches.manager import BatchManager, discard
from batches.models import Batch
from batches.states import BatchState
from credentials.management.base import EXIT_INTERRUPTED, EXIT_OK, Options
from credentials.models import User
from workers.embedded.valkey import ensure_redis, stop_if_mine
from workers.errors import InvalidInput
from workers.local import LocalWorkers

from .estimate_text import prompt_facts, prompt_text, rows_estimate_text, rows_facts
from .watching import has_ended, watch

Emit = Callable[[Any, str], None]
Create = Callable[[User, Options], Batch]
_FILE_OPTIONS = ("pilot", "name", "skip_bad_rows", "no_cache", "start_workers")


def add_estimate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is estimated: an agent and a file, or a batch."""
    parser.add_argument("reference", metavar="SLUG[@N]", nargs="?")
    parser.add_argument("file", type=Path, metavar="FILE", nargs="?", help="CSV with a header row, or JSONL.")
    pilot = f"Create the batch and run N of its rows first ({LEAST_PILOT} to {MOST_PILOT:,}); they are kept."
    parser.add_argument("--pilot", type=int, metavar="N", help=pilot)
    parser.add_argument("--batch", type=int, metavar="ID", help="In place of a file: from the ended rows of a batch.")


class EstimateCommand:
    """One call of `batches estimate`."""

    def __init__(self, console: Console, emit: Emit, create: Create) -> None:
        """Show progress on `console`, give the result to `emit` (data and text), and have `create` create a batch."""
        self._console = console
        self._emit = emit
        self._create = create

    def run(self, user: User, options: Options) -> int:
        """Estimate as `options` ask for, and return the exit code. Raises InvalidInput where they do not fit."""
        _check(options)
        if options["batch"] is not None:
            return self._from_rows(BatchManager(user).get(options["batch"]))
        if options["pilot"] is not None:
            return self._with_pilot(user, options)
        return self._from_prompts(user, options)

    def _from_prompts(self, user: User, options: Options) -> int:
        version = get_version(user, options["reference"])
        with self._counting() as told:
            estimate = estimate_file(
                user, version, options["file"], skip_bad_rows=options["skip_bad_rows"], on_progress=told
            )
        self._emit(prompt_facts(estimate), prompt_text(estimate, str(version)))
        return EXIT_OK

    def _from_rows(self, batch: Batch) -> int:
        with self._counting() as told:
            estimate = estimate_batch(batch, on_progress=told)
        self._emit(rows_facts(estimate), rows_estimate_text(estimate))
        return EXIT_OK

    def _with_pilot(self, user: User, options: Options) -> int:
        ensure_redis()
        try:
            batch = self._start(user, options)
            try:
                with LocalWorkers() if options["start_workers"] else contextlib.nullcontext():
                    self._watch(batch, options["pilot"])
            except KeyboardInterrupt:
                self._say(detached_text(batch))
                return EXIT_INTERRUPTED
            return self._from_rows(batch)
        finally:
            stop_if_mine()

    def _start(self, user: User, options: Options) -> Batch:
        """Return a new batch whose pilot runs. Nothing is left of one that cannot have it, or was stopped before."""
        batch = self._create(user, options)
        try:
            return BatchManager(user).pilot(batch, options["pilot"])
        except BaseException:
            # From here on nobody can start it.
            if Batch.objects.filter(pk=batch.pk, state=BatchState.READY).update(state=BatchState.VALIDATING):
                discard(batch)
            raise

    def _watch(self, batch: Batch, rows: int) -> None:
        self._say(f"Batch {batch.pk}: a pilot of {rows:,} of {batch.total:,} rows runs; Ctrl-C detaches.")
        if rows == batch.total:
            watch(batch, self._console)
        else:
            watch(batch, self._console, is_over=is_pilot_over, shown=lambda it: _shown(it, rows))

    @contextlib.contextmanager
    def _counting(self) -> Iterator[Callable[[int, int], None]]:
        """Give what shows how many rows are counted, on a terminal alone."""
        if not self._console.is_terminal:
            yield lambda done, total: None
            return
        with self._console.status("Counting tokens") as status:
            yield lambda done, total: status.update(f"Counting tokens: {done:,} of {total:,} rows")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def is_pilot_over(batch: Batch) -> bool:
    """Return whether the pilot of `batch` is over, as the batch was read last; where it just ended, pause the batch."""
    if batch.pilot is None or has_ended(batch):
        return True
    if batch.done >= len(batch.pilot):
        # Seen at the next look. A database that is away is waited for there.
        with contextlib.suppress(OperationalError, InterfaceError):
            end_pilot(batch.pk)
    return False


def detached_text(batch: Batch) -> str:
    """Return what a person should know who stopped watching a pilot with Ctrl-C."""
    return (
        f"Detached; what has ended is kept, and batch {batch.pk} is paused when workers have run its pilot. "
        f"Then: manage.py batches estimate --batch {batch.pk}"
    )


def _shown(batch: Batch, rows: int) -> Batch:
    """Return the batch as if the pilot were all of it."""
    shown = copy.copy(batch)
    shown.total = rows
    return shown


def _check(options: Options) -> None:
    """Raise InvalidInput where neither or both of a file and a batch are named, or the pilot cannot be."""
    if options["batch"] is not None:
        if options["reference"] is not None or any(options[name] for name in _FILE_OPTIONS):
            raise InvalidInput("--batch takes no agent, no file and no option of theirs.")
        return
    if options["file"] is None:
        raise InvalidInput("Name an agent and a file (SLUG FILE), or a batch (--batch ID).")
    if options["pilot"] is not None:
        check_pilot(options["pilot"])
    elif options["start_workers"]:
        raise InvalidInput("--start-workers is for a pilot (--pilot N): without one nothing runs.")
