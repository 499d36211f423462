"""What the child does: one slice of suspects after the other, all runs of a slice at once, nothing else beside it."""

import asyncio
import signal
from typing import Any

import structlog

from batches.execution.host import WorkerHost
from batches.execution.leases import LeaseLost, open_lease, release_leases
from batches.execution.suspects import claim_slice, has_suspects
from workers.allocator import give_back_large_blocks
from workers.database import end_idle_transactions

from .slice import Slice

log = structlog.get_logger(__name__)

# A suspect that is due within this time is waited for: to start a process costs two seconds of work.
LINGER_SECONDS = 10.0
LOOK_SECONDS = 0.25


def serve(process: str, turn: int = 0) -> None:
    """Run slices under the name `process` until no suspect is left or SIGTERM comes. `turn` as in `run_slices`."""
    give_back_large_blocks()
    end_idle_transactions()
    host = WorkerHost(process=process)

    def drain(*_: Any) -> None:
        host.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain)
    try:
        host.wait(run_slices(host, turn))
    finally:
        host.stop()


async def run_slices(host: WorkerHost, turn: int) -> None:
    """Run slices until no suspect is due soon or the host drains.

    At even turns of the largest group, at odd ones of the smallest. The keeper counts the turns on from child to
    child, so a group of one gets its turn even where every child dies of its first slice.
    """
    while not host.is_draining:
        if await host.engine.run_db(has_suspects):
            taken = await run_slice(host, smallest=turn % 2 == 1)
            turn += 1
        elif await host.engine.run_db(has_suspects, LINGER_SECONDS):
            taken = 0
        else:
            return
        if not taken:
            await asyncio.sleep(LOOK_SECONDS)


async def run_slice(host: WorkerHost, *, smallest: bool) -> int:
    """Take one slice under a lease of its own, run it wholly, and return how many runs it had.

    0 where others have taken the suspects, or where this process was so late that its lease ran out.
    """
    lease_id = await host.engine.run_db(open_lease, host.process, None, is_quarantine=True)
    host.holdings.leases.add(lease_id)
    try:
        # All of a slice run at once, so it is no larger than what the process may run at once.
        runs = await host.engine.run_db(claim_slice, lease_id, host.slots.size, smallest=smallest)
        if runs:
            log.info("slice_taken", runs=len(runs), process=host.process)
            await Slice(host, runs).run()
        return len(runs)
    except LeaseLost:
        return 0
    finally:
        if not (host.is_draining and host.holdings.has_answers):
            await host.engine.run_db(release_leases, [lease_id])
            host.holdings.leases.discard(lease_id)
