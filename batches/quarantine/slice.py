"""A slice of suspects at work: all at once, each as soon as the limits of its model let it start."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence

from batches.execution.claims import ClaimedRun
from batches.execution.host import WorkerHost
from batches.execution.permits import Permit
from batches.execution.prepared import PreparedRun
from batches.execution.suspects import startable
from batches.execution.unclaiming import unclaim

# Pauses, cancellations and the draining of the process are seen within this time by what has not started.
LOOK_SECONDS = 1.0
# Who may not start for so long makes room for other suspects, since these wait until the slice is over ...
PATIENCE_SECONDS = 30.0
# ... and waits so long, so that they are taken before it.
PUT_OFF_SECONDS = 5.0


class Slice:
    """Runs claimed suspects. Used from the engine's loop alone."""

    def __init__(self, host: WorkerHost, runs: Sequence[ClaimedRun]) -> None:
        """Run `runs`, which one claim took, on `host`."""
        self._host = host
        self._runs = runs
        self._waiting: dict[int, tuple[ClaimedRun, asyncio.Future[Permit]]] = {}
        self._patient_until = time.monotonic() + PATIENCE_SECONDS
        self._is_over = asyncio.Event()

    async def run(self) -> None:
        """Return when each run has ended, waits for its retry, or was given back unstarted."""
        for run in self._runs:
            self._host.holdings.hold(run)
        watch = asyncio.ensure_future(self._watch())
        self._host.on_change.append(self._look)
        await asyncio.gather(*(self._run(run) for run in self._runs), return_exceptions=True)
        self._host.on_change.remove(self._look)
        # Not cancelled: it may just be giving back the last that waited.
        self._is_over.set()
        await asyncio.gather(watch, return_exceptions=True)

    async def _run(self, run: ClaimedRun) -> None:
        prepared = await self._host.prepare(run)
        if not isinstance(prepared, PreparedRun):
            await self._host.settle(run, prepared)
            return
        self._host.holdings.keep_waiting(run)
        permit = asyncio.ensure_future(self._host.dispatcher.admit(self._host.gates(prepared)[0], prepared.need))
        self._waiting[run.id] = (run, permit)
        await asyncio.wait([permit])
        if permit.cancelled():
            # Given back already, unless the process was asked to stop.
            await self._give_back([run.id], 0.0)
        else:
            del self._waiting[run.id]
            self._host.holdings.begin(run, in_this_step=True)
            await self._host.execute_row(prepared, permit.result(), has_slot=False)

    async def _watch(self) -> None:
        """Give back what may not start any more, or not soon."""
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        waiting = set(self._waiting)
        if self._host.is_draining:
            await self._give_back(waiting, 0.0)
        elif time.monotonic() >= self._patient_until:
            await self._give_back(waiting, PUT_OFF_SECONDS)
        elif waiting:
            allowed = await self._host.engine.run_db(startable, waiting, self._runs[0].token)
            await self._give_back(waiting - allowed, 0.0)

    async def _give_back(self, run_ids: Collection[int], seconds: float) -> None:
        runs = []
        for run_id in run_ids:
            # One that got its permit meanwhile has started.
            run, permit = self._waiting.get(run_id, (None, None))
            if run is not None and permit is not None and (permit.cancelled() or permit.cancel()):
                del self._waiting[run_id]
                runs.append(run)
        if runs:
            try:
                await self._host.engine.run_db(unclaim, runs, seconds)
            finally:
                self._host.holdings.let_go([run.key for run in runs])
