"""What one worker process has for running runs: engine, slots, clients, the writer, its heartbeat."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import structlog
from django.conf import settings

from agents.llm.pool import ClientPool
from batches.states import RunState
from workers.coalesce import Coalescer
from workers.engine import Engine

from .agents_cache import AgentCache
from .claims import ClaimedRun, claim_singles
from .executor import Executor
from .leases import HEARTBEAT_SECONDS, open_lease, release_leases, renew_leases
from .outcomes import Outcome
from .slots import Slots
from .storing import store_outcomes

T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_COMMIT_SECONDS = 0.1
GROUP_CLAIM_SECONDS = 0.01


class WorkerHost:
    """The executing part of a worker process; one per process, made by `host()`."""

    def __init__(self) -> None:
        """Start the engine and the heartbeat."""
        self.engine = Engine()
        self.process = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns() // 1_000_000 % 10**9}"
        self.slots = Slots(settings.ARBORETUM_WORKER_SLOTS)
        self.clients = ClientPool()
        # The batches that this process works on, and those whose hint it passes on to another process.
        self.batches: set[int] = set()
        self.passing_on: set[int] = set()
        self.is_draining = False
        self._executor = Executor(AgentCache(self.engine), self.clients, self.process)
        self._outcomes = Coalescer(self.engine, store_outcomes, interval=GROUP_COMMIT_SECONDS)
        self._claims = Coalescer(self.engine, self._claim_group, interval=GROUP_CLAIM_SECONDS)
        self._singles_lease: int | None = None
        self._executing: dict[int, asyncio.Task[Outcome]] = {}
        self._unstored = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.engine.submit(self._beat())

    @property
    def running(self) -> int:
        """How many runs this process is executing now."""
        return len(self._executing)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and return its result; called from a task's thread."""
        return self.engine.submit(work).result()

    async def execute(self, run: ClaimedRun) -> Outcome | None:
        """Execute a claimed run and store its outcome, after the commit of which this returns; None if refused."""
        self._unstored += 1
        self._idle.clear()
        try:
            outcome = await self._executed(run)
            accepted = await self._outcomes.submit(outcome)
        finally:
            self._unstored -= 1
            if not self._unstored:
                self._idle.set()
        if not accepted:
            log.warning("result_refused", run_id=run.id, attempt=run.attempt)
        return outcome if accepted else None

    async def _executed(self, run: ClaimedRun) -> Outcome:
        task = self._executing[run.id] = asyncio.ensure_future(self._executor.execute(run))
        try:
            return await task
        except asyncio.CancelledError:
            # Cut before its first step; the executor turns every later cut into an outcome by itself.
            return self._executor.handed_back(run)
        finally:
            del self._executing[run.id]

    async def run_single(self, run_id: int) -> None:
        """Claim and run a single run, and again after each transient failure, until it ends or somebody else has it."""
        while not self.is_draining:
            run = await self._claims.submit(run_id)
            outcome = await self.execute(run) if run is not None else None
            if outcome is None or outcome.state is not RunState.QUEUED:
                return
            await asyncio.sleep(outcome.delay)

    def _claim_group(self, run_ids: Sequence[int]) -> list[ClaimedRun | None]:
        """Claim single runs together (database thread)."""
        if self._singles_lease is None:
            self._singles_lease = open_lease(self.process, None)
        claimed = {run.id: run for run in claim_singles(run_ids, self._singles_lease)}
        return [claimed.pop(run_id, None) for run_id in run_ids]

    async def _beat(self) -> None:
        """Renew the leases, and cut off the runs that are not ours any more."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # Only those that were under way before the look: what is claimed during it is not missed.
            before = dict(self._executing)
            try:
                held = await self.engine.run_db(self._renew)
            except Exception as error:
                log.error("heartbeat_failed", error=type(error).__name__)
                continue
            for run_id, task in before.items():
                if run_id not in held and not task.done():
                    log.info("run_cut_off", run_id=run_id)
                    task.cancel()

    def _renew(self) -> set[int]:
        live, held = renew_leases(self.process)
        if self._singles_lease not in live:
            self._singles_lease = None
        return held

    def drain(self) -> None:
        """Take nothing new; after the grace time cut what still runs, so that its rows are handed back. Any thread."""
        if not self.is_draining:
            self.is_draining = True
            log.info("worker_draining", running=self.running, grace=settings.ARBORETUM_GRACE_SECONDS)
            self.engine.submit(self._cut_after_grace())

    async def _cut_after_grace(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), settings.ARBORETUM_GRACE_SECONDS)
        for task in self._executing.values():
            task.cancel()

    def stop(self) -> None:
        """Release what is held and stop the threads. Called when no task runs any more."""
        self.drain()
        self.engine.submit(self._release()).result(timeout=60)
        self.engine.stop()

    async def _release(self) -> None:
        await self._idle.wait()
        if self._singles_lease is not None:
            await self.engine.run_db(release_leases, [self._singles_lease])
        await self.clients.aclose()


_lock = threading.Lock()
_host: WorkerHost | None = None


def host() -> WorkerHost:
    """Return this process' host, started at the first call; a forked child gets its own."""
    global _host
    with _lock:
        if _host is None or _host.engine.pid != os.getpid():
            _host = WorkerHost()
        return _host


def stop_host() -> None:
    """Stop this process' host, if it has one."""
    global _host
    with _lock:
        stopping, _host = _host, None
    if stopping is not None and stopping.engine.pid == os.getpid():
        stopping.stop()
