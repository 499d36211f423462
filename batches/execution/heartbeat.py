"""What a process looks at again and again: whether its runs are still its own, and what users changed."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from batches.ids import batch_id_range
from workers.errors import WorkError

from .changes import listen_for_changes
from .leases import HEARTBEAT_SECONDS, Held, renew_leases, return_orphans
from .turns import current_settings

if TYPE_CHECKING:
    from .host import WorkerHost

log = structlog.get_logger(__name__)

# Changes are told; where the word was lost, a paused batch starts nothing any more after this long.
REFRESH_SECONDS = 1.0


class Heartbeat:
    """Used from the engine's loop alone."""

    def __init__(self, host: "WorkerHost") -> None:
        """Look after what `host` holds."""
        self._host = host
        self._strange: set[Held] = set()

    async def beat(self) -> None:
        """For ever: renew the leases, and cut off the runs that are not ours any more."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._return_strange(await self._look_at_runs())
            except Exception as error:
                log.error("heartbeat_failed", error=type(error).__name__)

    async def refresh(self) -> None:
        """For ever: follow what users change of the batches at work: state, priority and weight."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if await self._follow():
                    await self._look_at_limits()
            except Exception as error:
                log.error("refresh_failed", error=type(error).__name__)

    async def listen(self) -> None:
        """For ever: act at once on changes that are told."""
        await listen_for_changes(self._look_at_batch, self._host.spawn)

    async def _look_at_batch(self, batch_id: int) -> None:
        turns = self._host.turns
        if batch_id in turns.batch_ids():
            await self._follow()
        first, after = batch_id_range(batch_id)
        if turns.is_stopped(batch_id) and any(first <= run < after for run, _ in self._host.holdings.executing):
            # Where it was cancelled, its calls are cut.
            await self._look_at_runs()
        for look in list(self._host.on_change):
            await look()

    async def _follow(self) -> bool:
        """Let the batches at work follow what they say now; return whether there are any."""
        turns = self._host.turns
        if batch_ids := turns.batch_ids():
            turns.refresh(batch_ids, await self._host.engine.run_db(current_settings, batch_ids))
        return bool(batch_ids)

    async def _look_at_limits(self) -> None:
        """Let rows that wait for a limit see when it is raised."""
        for version_id in self._host.turns.versions():
            # What is wrong with an agent is told when a row of it starts.
            with contextlib.suppress(WorkError):
                await self._host.look_at_limits(version_id)
        self._host.dispatcher.schedule()

    async def _look_at_runs(self) -> set[Held]:
        """Renew the leases, let go of the runs that are not held under them any more, and return those that are."""
        holdings = self._host.holdings
        # Only those that were under way before the look: what is claimed during it is not missed.
        before, waiting = dict(holdings.executing), holdings.unstored - holdings.executing.keys()
        leases = set(holdings.leases)
        live, held = await self._host.engine.run_db(renew_leases, leases)
        holdings.leases -= leases - live
        for key, task in before.items():
            # One that has ended meanwhile is stored; its task may be at the next attempt.
            is_at_it = holdings.executing.get(key) is task
            if key not in held and is_at_it and not task.done():
                log.info("run_cut_off", run_id=key[0])
                task.cancel()
        holdings.let_go(self._host.turns.drop(waiting - held))
        return held

    async def _return_strange(self, held: set[Held]) -> None:
        """Hand back what is ours by the database but unknown here, twice in a row: the answer to its claim was lost."""
        strange = held - self._host.holdings.unstored
        orphans, self._strange = strange & self._strange, strange
        if orphans:
            log.warning("orphans_returned", runs=len(orphans))
            await self._host.engine.run_db(return_orphans, orphans)
