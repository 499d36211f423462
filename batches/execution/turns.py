"""Which batches a process works on: one lease loop for each, and what becomes of further hints for it."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef

from batches.models import Batch
from batches.publishing import batch_worker_names, publish_lease_now
from batches.states import BatchState

from .claims import due_rows
from .leases import Held, processes_at_work

if TYPE_CHECKING:
    from .host import WorkerHost
    from .lease_loop import LeaseLoop

# So many loops take rows in one process at once.
MOST_LOOPS = 16
# So many may at most still wait for their last calls: each holds a thread, and single runs need some.
MOST_TASKS = 64
# A hint that came to a process at work on its batch is offered again after this long.
PASS_ON_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What users may change of a batch while it runs, and whether rows of it wait to be taken."""

    is_running: bool
    priority: int
    weight: int
    has_due: bool = True


def current_settings(batch_ids: Collection[int]) -> dict[int, BatchSettings]:
    """Return what these batches say now, in one query."""
    due = Exists(due_rows(OuterRef("pk")).order_by())
    rows = Batch.objects.filter(pk__in=batch_ids).values_list("pk", "state", "priority", "weight", due)
    return {pk: BatchSettings(state == BatchState.RUNNING, *values) for pk, state, *values in rows}


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

    def make_room(self, priority: int) -> bool:
        """Whether a loop of a batch of `priority` may begin; where all places are taken, one of a lower one ends."""
        if self.has_room():
            return True
        lowest = min(self._loops.values(), key=lambda loop: loop.priority, default=None)
        if lowest is None or lowest.priority >= priority or self._tasks >= MOST_TASKS:
            return False
        lowest.stop()
        return True

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

    def batch_ids(self) -> list[int]:
        """Return the batches that have a loop here."""
        return list(self._loops)

    def refresh(self, settings: Mapping[int, BatchSettings]) -> None:
        """Let each loop follow what its batch says now; one that runs no more takes and starts nothing."""
        for batch_id, loop in list(self._loops.items()):
            if batch_id in settings:
                loop.follow(settings[batch_id])

    def drop(self, keys: Collection[Held]) -> list[Held]:
        """Forget rows that wait in a loop and are not ours any more; return them."""
        return [key for loop in self._loops.values() for key in loop.drop(keys)] if keys else []

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
