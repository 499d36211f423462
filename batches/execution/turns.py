"""Which batches a process works on: one lease loop for each, and what becomes of further hints for it."""

import asyncio
from typing import TYPE_CHECKING

from batches.publishing import batch_worker_names, publish_lease_now

from .leases import processes_at_work

if TYPE_CHECKING:
    from .host import WorkerHost
    from .lease_loop import LeaseLoop

# So many loops take rows in one process at once.
MOST_LOOPS = 16
# So many may at most still wait for their last calls: each holds a thread, and single runs need some.
MOST_TASKS = 64
# A hint that came to a process at work on its batch is offered again after this long.
PASS_ON_SECONDS = 0.2


class Turns:
    """The lease loops of one process. Used from the engine's loop alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loops: dict[int, LeaseLoop] = {}
        self._passing_on: set[int] = set()
        self._tasks = 0

    def has_room(self) -> bool:
        """Whether another loop may begin. Without room a hint is dropped; maintenance gives it again."""
        return len(self._loops) < MOST_LOOPS and self._tasks < MOST_TASKS

    def are_contended(self) -> bool:
        """Whether more than one batch wants this process' slots."""
        return len(self._loops) > 1

    def begin(self, batch_id: int, loop: "LeaseLoop") -> None:
        """`loop` takes rows of the batch from now on."""
        self._loops[batch_id] = loop
        self._tasks += 1

    def end_claiming(self, batch_id: int, loop: "LeaseLoop") -> None:
        """`loop` takes no more rows; another may begin while its last calls end."""
        if self._loops.get(batch_id) is loop:
            del self._loops[batch_id]

    def end(self) -> None:
        """A loop and all its calls have ended."""
        self._tasks -= 1

    async def take_hint(self, host: "WorkerHost", batch_id: int) -> bool:
        """Whether the batch has a loop here already: it is told to look for rows, and the hint is passed on.

        The broker may give one process what was meant for all.
        """
        loop = self._loops.get(batch_id)
        if loop is None:
            return False
        loop.wake()
        if batch_id not in self._passing_on:
            self._passing_on.add(batch_id)
            try:
                await self._pass_on(host, batch_id)
            finally:
                self._passing_on.discard(batch_id)
        return True

    async def _pass_on(self, host: "WorkerHost", batch_id: int) -> None:
        await asyncio.sleep(PASS_ON_SECONDS)
        if batch_id not in self._loops:
            return
        others = await host.engine.run_aside(batch_worker_names) - {host.process}
        if others and others - await host.engine.run_db(processes_at_work, batch_id):
            publish_lease_now(batch_id)
