"""A lease at work: rows of one batch taken and run with the process' free slots, topped up as they end, for a while."""

import asyncio
import heapq
import time
from typing import TYPE_CHECKING

from batches.publishing import publish_lease_now
from batches.states import RunState

from .claims import ClaimedRun, claim_batch
from .leases import LeaseLost, open_lease, release_leases
from .outcomes import Outcome

if TYPE_CHECKING:
    from .host import WorkerHost

# After this long a lease takes no more rows if other batches wait for the process' slots.
TURN_SECONDS = 30.0
# One claim takes at most this many rows: it holds the database for a few milliseconds.
CLAIM_ROWS = 200
# Slots that become free are refilled together this often.
TOP_UP_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5
# A retry due within this time is waited for; one due later is offered by maintenance.
SHORT_WAIT_SECONDS = 5.0


class LeaseLoop:
    """Runs rows of one batch until none is due, its turn is over, or the process is draining."""

    def __init__(self, host: "WorkerHost", batch_id: int, lease_id: int) -> None:
        """Work for `batch_id` under the open lease `lease_id`, with the slots of `host`."""
        self._host = host
        self._batch_id = batch_id
        self._lease_id = lease_id
        self._turn_ends = time.monotonic() + TURN_SECONDS
        self._is_exhausted = False
        self._due: list[float] = []
        self._running: set[asyncio.Task[None]] = set()
        self._ran = 0

    def wake(self) -> None:
        """Look for due rows again: somebody knows of some."""
        self._is_exhausted = False

    async def run(self) -> int:
        """Return how many attempts were made."""
        turns = self._host.turns
        turns.begin(self._batch_id, self)
        try:
            while await self._top_up():
                if not (self._may_claim() and self._host.slots.free):
                    await self._host.slots.wait(LONGEST_WAIT_SECONDS)
                await asyncio.sleep(TOP_UP_SECONDS)
        finally:
            turns.end_claiming(self._batch_id, self)
            await asyncio.gather(*self._running, return_exceptions=True)
            turns.end()
        return self._ran

    async def _top_up(self) -> bool:
        """Claim what the free slots allow; return whether there is anything left to wait for."""
        if self._host.is_draining:
            return False
        if time.monotonic() >= self._turn_ends:
            if self._host.turns.are_contended():
                publish_lease_now(self._batch_id)
                return False
            self._turn_ends = time.monotonic() + TURN_SECONDS
        if self._may_claim() and not await self._claim():
            return False
        return bool(self._running) or not self._is_exhausted or self._is_due(within=SHORT_WAIT_SECONDS)

    def _may_claim(self) -> bool:
        return not self._is_exhausted or self._is_due()

    def _is_due(self, within: float = 0.0) -> bool:
        return bool(self._due) and self._due[0] <= time.monotonic() + within

    async def _claim(self) -> bool:
        """Take rows for the free slots and start them; return whether the lease still lives."""
        wanted = self._host.slots.take(CLAIM_ROWS)
        if not wanted:
            return True
        while self._is_due():
            heapq.heappop(self._due)
        runs: list[ClaimedRun] = []
        # Before the claim: a hint that comes during it must not be forgotten.
        self._is_exhausted = True
        try:
            runs = await self._host.engine.run_db(claim_batch, self._batch_id, self._lease_id, wanted)
        except LeaseLost:
            publish_lease_now(self._batch_id)
            return False
        finally:
            self._host.slots.give_back(wanted - len(runs))
        for run in runs:
            task = asyncio.create_task(self._run_one(run))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if len(runs) == wanted:
            # As many as wanted: there may be more. Fewer: none is due until a retry of ours is, or a hint comes.
            self._is_exhausted = False
        return True

    async def _run_one(self, run: ClaimedRun) -> None:
        self._ran += 1
        try:
            outcome = await self._host.execute(run)
        finally:
            # Only now: what a dying process can lose, and so call again, is never more than its slots.
            self._host.slots.give_back()
        if outcome is not None:
            self._expect(outcome)

    def _expect(self, outcome: Outcome) -> None:
        if outcome.state is RunState.PENDING:
            heapq.heappush(self._due, time.monotonic() + outcome.delay)


async def run_lease(host: "WorkerHost", batch_id: int) -> int:
    """Take a lease on a batch, work for it, and return how many attempts were made."""
    if await host.turns.take_hint(host, batch_id) or not host.turns.has_room() or host.is_draining:
        return 0
    lease_id = await host.engine.run_db(open_lease, host.process, batch_id)
    host.leases.add(lease_id)
    try:
        return await LeaseLoop(host, batch_id, lease_id).run()
    finally:
        await host.engine.run_db(release_leases, [lease_id])
        host.leases.discard(lease_id)
