"""Which batches a process works on: one lease loop for each, and what becomes of further hints for it."""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef

from batches.publishing import batch_worker_names, publish_lease_now

from .claims import due_rows, runnable_batches
from .lanes import AGING_SECONDS
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
    """What users may change of a batch that runs, and whether rows of it wait to be taken."""

    priority: int
    weight: int
    is_mixed: bool
    has_due: bool


def current_settings(batch_ids: Collection[int]) -> dict[int, BatchSettings]:
    """Return what those of these batches say now whose rows may be taken, in one query."""
    due = Exists(due_rows(OuterRef("pk")).order_by())
    rows = runnable_batches().filter(pk__in=batch_ids).values_list("pk", "priority", "weight", "is_mixed", due)
    return {pk: BatchSettings(*values) for pk, *values in rows}


class Turns:
    """The lease loops of one process. Used from the engine's loop alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loops: dict[int, LeaseLoop] = {}
        self._beginning: set[int] = set()
        self._passing_on: set[int] = set()
        # Batches that found no place: since when, and when they asked last (monotonic).
        self._refused: dict[int, tuple[float, float]] = {}
        self._tasks = 0

    def has_room(self) -> bool:
        """Whether another loop may begin. Without room a hint is dropped; maintenance gives it again."""
        return len(self._loops) < MOST_LOOPS and self._tasks < MOST_TASKS

    def make_room(self, batch_id: int, priority: int) -> bool:
        """Whether a loop of a batch of `priority` may begin; where all places are taken, one of a lower one ends.

        A batch that found no place before counts as one priority higher for each AGING_SECONDS since.
        """
        if self.has_room():
            return True
        staying = [loop for loop in self._loops.values() if not loop.is_stopped]
        if len(staying) < MOST_LOOPS and self._tasks < MOST_TASKS:
            return True
        now = time.monotonic()
        since = self._refused_since(batch_id, now)
        leaving = [loop for loop in staying if not loop.lane.is_boosted(now)]
        lowest = min(leaving, key=lambda loop: loop.lane.hold(now), default=None)
        level = priority + int((now - since) / AGING_SECONDS)
        if lowest is None or lowest.lane.hold(now) >= level or self._tasks >= MOST_TASKS:
            return False
        lowest.stop()
        return True

    def _refused_since(self, batch_id: int, now: float) -> float:
        """Note that a batch asks for a place in vain, and return since when it has; who asks no more is forgotten."""
        self._refused = {pk: times for pk, times in self._refused.items() if now - times[1] < AGING_SECONDS}
        since = self._refused.get(batch_id, (now, now))[0]
        self._refused[batch_id] = (since, now)
        return since

    def reserve(self, batch_id: int) -> bool:
        """Whether a loop of the batch may be made: there is one at most, also while it is being made."""
        if batch_id in self._beginning or batch_id in self._loops:
            return False
        self._beginning.add(batch_id)
        return True

    def release(self, batch_id: int) -> None:
        """No loop of the batch is being made any more."""
        self._beginning.discard(batch_id)

    def begin(self, batch_id: int, loop: "LeaseLoop") -> None:
        """`loop` takes rows of the batch from now on."""
        self._loops[batch_id] = loop
        self._beginning.discard(batch_id)
        self._tasks += 1
        now = time.monotonic()
        since, _ = self._refused.pop(batch_id, (now, now))
        if now - since >= AGING_SECONDS:
            loop.lane.boost(now)

    def end_claiming(self, batch_id: int, loop: "LeaseLoop") -> None:
        """`loop` takes no more rows; another may begin while its last calls end."""
        if self._loops.get(batch_id) is loop:
            del self._loops[batch_id]
        loop.left.set()

    def end(self) -> None:
        """A loop and all its calls have ended."""
        self._tasks -= 1

    def batch_ids(self) -> list[int]:
        """Return the batches that have a loop here."""
        return list(self._loops)

    def is_stopped(self, batch_id: int) -> bool:
        """Whether the batch has no loop here that still takes and starts rows."""
        return batch_id not in self._loops or self._loops[batch_id].is_stopped

    def refresh(self, batch_ids: Collection[int], settings: Mapping[int, BatchSettings]) -> None:
        """Let the loops of `batch_ids` follow what their batches say now; those without settings run no more."""
        for batch_id in batch_ids:
            loop = self._loops.get(batch_id)
            if loop is None:
                continue
            if batch_id in settings:
                loop.follow(settings[batch_id])
            else:
                loop.stop()

    def stop(self) -> None:
        """Let no loop take or start anything more."""
        for loop in self._loops.values():
            loop.stop()

    def versions(self) -> set[int]:
        """Return the agent versions of the rows that wait first."""
        return {version_id for loop in self._loops.values() for version_id in loop.lane.first_versions()}

    def drop(self, keys: Collection[Held]) -> list[Held]:
        """Forget rows that wait in a loop and are not ours any more; return them."""
        return [key for loop in self._loops.values() for key in loop.drop(keys)] if keys else []

    async def take_hint(self, host: "WorkerHost", batch_id: int) -> bool:
        """Whether the batch has a loop here already: it is told to look for rows, and the hint is passed on.

        The broker may give one process what was meant for all.
        """
        loop = self._loops.get(batch_id)
        if loop is not None and loop.is_stopped:
            # The batch was paused and is resumed, perhaps: the hint is for the next loop.
            await loop.left.wait()
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
        if loop.is_stopped:
            # By a look that was older than the hint.
            await loop.left.wait()
            return batch_id in self._loops
        return True

    async def _pass_on(self, host: "WorkerHost", batch_id: int) -> None:
        await asyncio.sleep(PASS_ON_SECONDS)
        if batch_id not in self._loops:
            return
        others = await host.engine.run_aside(batch_worker_names) - {host.process}
        if others and others - await host.engine.run_db(processes_at_work, batch_id):
            publish_lease_now(batch_id)
