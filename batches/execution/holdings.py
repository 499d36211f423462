"""What one process holds: runs that it has claimed and whose outcome is not stored yet."""

import asyncio
from collections.abc import Iterable
from typing import Any

from .claims import ClaimedRun
from .journal import Journal
from .leases import Held
from .outcomes import Outcome


class Holdings:
    """Used from the engine's loop alone. The journal learns what becomes of each run, in case this process dies."""

    def __init__(self, journal: Journal) -> None:
        """Hold nothing yet."""
        self.leases: set[int] = set()
        self.executing: dict[Held, asyncio.Task[Any]] = {}
        self.unstored: set[Held] = set()
        self.idle = asyncio.Event()
        self.idle.set()
        self._journal = journal

    def hold(self, run: ClaimedRun) -> None:
        """Know that this process holds `run`, until its outcome is stored or it is let go."""
        self.unstored.add(run.key)
        self.idle.clear()

    def keep_waiting(self, run: ClaimedRun) -> None:
        """`run` is ready and waits for its start: nobody blames it for the death of this process."""
        self._journal.waits(run.key)

    def begin(self, run: ClaimedRun, *, in_this_step: bool = False) -> None:
        """`run` starts, in a task that begins now; or `in_this_step` of the task that says so."""
        self._journal.starts(run.key)
        if in_this_step:
            self._journal.flush()

    def end(self, outcome: Outcome) -> None:
        """The attempt has ended; its outcome is about to be stored."""
        self._journal.ends(outcome)

    def let_go(self, keys: Iterable[Held]) -> None:
        """Forget runs whose outcome is stored, or that are not ours any more."""
        gone = list(keys)
        self._journal.forget(gone)
        self.leave(gone)

    @property
    def has_answers(self) -> bool:
        """Whether the journal has outcomes that are not stored yet: others need the leases to store them."""
        return self._journal.has_answers

    def leave(self, keys: Iterable[Held]) -> None:
        """Forget runs whose outcome could not be stored before the end of this process: the journal keeps it."""
        self.unstored.difference_update(keys)
        if not self.unstored:
            self.idle.set()
