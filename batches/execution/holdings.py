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

    def begin(self, run: ClaimedRun) -> None:
        """`run` starts now."""
        self._journal.starts(run.key)

    def end(self, outcome: Outcome) -> None:
        """The attempt has ended; its outcome is about to be stored."""
        self._journal.ends(outcome)

    def let_go(self, keys: Iterable[Held]) -> None:
        """Forget runs whose outcome is stored, or that are not ours any more."""
        gone = list(keys)
        self.unstored.difference_update(gone)
        self._journal.forget(gone)
        if not self.unstored:
            self.idle.set()
