"""A lease at work: rows of one batch taken and run with the process' free slots, topped up as they end, for a while."""

import asyncio
import heapq
import time
from typing import TYPE_CHECKING

import structlog

from batches.publishing import publish_leases

from .claims import ClaimedRun, claim_batch
from .leases import open_lease, other_workers_idle, release_leases
from .outcomes import Outcome

if TYPE_CHECKING:
    from .host import WorkerHost

log = structlog.get_logger(__name__)

# After this long a lease takes no more rows, so that other batches and processes get their turn.
TURN_SECONDS = 30.0
# A hint that came to a process at work on its batch is offered again after this long.
PASS_ON_SECONDS = 0.2
# So many leases work in one process at once.
MOST_LEASES = 16
# One claim takes at most this many rows: it holds the database for a few milliseconds.
CLAIM_ROWS = 200
# Slots that become free are refilled together this often.
TOP_UP_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5
# A retry due within this time is waited for; one due later is published by maintenance.
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

    async def run(self) -> int:
        """Return how many attempts were made."""
        try:
            while await self._top_up():
                await self._host.slots.wait(LONGEST_WAIT_SECONDS)
                await asyncio.sleep(TOP_UP_SECONDS)
        finally:
            await asyncio.gather(*self._running, return_exceptions=True)
        return self._ran

    async def _top_up(self) -> bool:
        """Claim what the free slots allow; return whether there is anything left to wait for."""
        if self._turn_is_over():
            if not self._is_exhausted and not self._host.is_draining:
                await self._host.engine.run_db(publish_leases, self._batch_id, 1)
            return False
        if self._may_claim():
            await self._claim()
        return bool(self._running) or not self._is_exhausted or self._is_due(within=SHORT_WAIT_SECONDS)

    def _turn_is_over(self) -> bool:
        return self._host.is_draining or time.monotonic() >= self._turn_ends

    def _may_claim(self) -> bool:
        return not self._is_exhausted or self._is_due()

    def _is_due(self, within: float = 0.0) -> bool:
        return bool(self._due) and self._due[0] <= time.monotonic() + within

    async def _claim(self) -> None:
        wanted = self._host.slots.take(CLAIM_ROWS)
        if not wanted:
            return
        while self._is_due():
            heapq.heappop(self._due)
        runs: list[ClaimedRun] = []
        try:
            runs = await self._host.engine.run_db(claim_batch, self._batch_id, self._lease_id, wanted)
        finally:
            self._host.slots.give_back(wanted - len(runs))
        for run in runs:
            task = asyncio.create_task(self._run_one(run))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        # Fewer than wanted: nothing more is due until a retry of ours is.
        self._is_exhausted = len(runs) < wanted

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
        if outcome.delay:
            heapq.heappush(self._due, time.monotonic() + outcome.delay)


async def run_lease(host: "WorkerHost", batch_id: int) -> int:
    """Take a lease on a batch, work for it, and return how many attempts were made.

    A process that works on the batch already passes the hint on to another. With MOST_LEASES at work the hint is
    dropped: maintenance gives it again, and no flood of batches takes the threads that single runs need.
    """
    if batch_id in host.batches:
        return await _pass_on(host, batch_id)
    if len(host.batches) >= MOST_LEASES or host.is_draining:
        return 0
    host.batches.add(batch_id)
    try:
        return await _work(host, batch_id)
    finally:
        host.batches.discard(batch_id)


async def _work(host: "WorkerHost", batch_id: int) -> int:
    lease_id = await host.engine.run_db(open_lease, host.process, batch_id)
    try:
        return await LeaseLoop(host, batch_id, lease_id).run()
    finally:
        await host.engine.run_db(release_leases, [lease_id])


async def _pass_on(host: "WorkerHost", batch_id: int) -> int:
    """Offer a batch again, for another process to find; the broker may give one process what was meant for all."""
    if batch_id in host.passing_on:
        return 0
    host.passing_on.add(batch_id)
    try:
        await asyncio.sleep(PASS_ON_SECONDS)
        if batch_id in host.batches and await host.engine.run_db(other_workers_idle, host.process, batch_id):
            await host.engine.run_db(publish_leases, batch_id, 1)
    finally:
        host.passing_on.discard(batch_id)
    return 0
