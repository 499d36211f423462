"""What one worker process has for running runs: engine, slots, clients, the writer, its heartbeat."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from agents.llm.pool import ClientPool
from batches.states import RunState
from workers.coalesce import Coalescer
from workers.collector import calm_collector
from workers.engine import Engine
from workers.errors import WorkError
from workers.ratelimit.limiter import Limiter
from workers.redis import close_async_connection

from .agents_cache import FRESH_SECONDS, AgentCache, LoadedAgent
from .blocks import Blocks
from .claims import ClaimedRun, claim_singles
from .dispatcher import Dispatcher
from .executor import Executor
from .gate import Gate
from .leases import HEARTBEAT_SECONDS, Held, LeaseLost, open_lease, release_leases, renew_leases, return_orphans
from .metering import RunMeter
from .outcomes import Outcome
from .permits import Permit
from .prepared import PreparedRun
from .slots import Slots
from .storing import store_outcomes
from .turns import Turns, current_settings
from .unclaiming import unclaim

T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_COMMIT_SECONDS = 0.1
# The slots of a group are free when it is committed, so it is not larger than pays.
GROUP_COMMIT_ROWS = 250
GROUP_CLAIM_SECONDS = 0.01
# A paused batch starts nothing any more after this long.
REFRESH_SECONDS = 1.0
# Each single run that waits for a limit holds a thread; of one model no more than these do, so that others have some.
MOST_WAITING_SINGLES = 48
CROWDED_SECONDS = 2.0
# A single run's retry due within this time is waited for by its task.
SHORT_DELAY_SECONDS = 2.0
# What a stopping worker gives the database beyond the grace time to take what is to be stored.
STORING_SECONDS = 5.0


class WorkerHost:
    """The executing part of a worker process; one per process, made by `host()`."""

    def __init__(self, process: str | None = None) -> None:
        """Start the engine and the heartbeat; `process` names this process, by host, process id and start if None."""
        self.engine = Engine()
        self.process = process or f"{socket.gethostname()}:{os.getpid()}:{time.time_ns() // 1_000_000 % 10**9}"
        self.slots = Slots(settings.ARBORETUM_WORKER_SLOTS)
        self.turns = Turns()
        self.clients = ClientPool()
        self.leases: set[int] = set()
        self.is_draining = False
        self._is_cut = False
        self._limiter = Limiter(self.process)
        self.dispatcher = Dispatcher(self.slots, self._limiter)
        self._blocks = Blocks(self.engine, self.dispatcher, self._limiter, self._spawn)
        self._agents = AgentCache(self.engine)
        self._executor = Executor(self._agents, self.clients, self.process, self._make_meter)
        self._outcomes = Coalescer(
            self.engine,
            store_outcomes,
            interval=GROUP_COMMIT_SECONDS,
            max_items=GROUP_COMMIT_ROWS,
            size_of=lambda outcome: outcome.size,
        )
        self._claims = Coalescer(self.engine, self._claim_group, interval=GROUP_CLAIM_SECONDS)
        self._singles_lease: int | None = None
        self._executing: dict[Held, asyncio.Task[Any]] = {}
        # Claimed and not stored yet; and held by us, as the database says, without our knowing of it.
        self._unstored: set[Held] = set()
        self._strange: set[Held] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._background = [self.engine.submit(work) for work in (self._beat(), self._refresh(), self._blocks.listen())]

    @property
    def running(self) -> int:
        """How many runs this process is executing now."""
        return len(self._executing)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and return its result; called from a task's thread."""
        return self.engine.submit(work).result()

    async def execute(self, run: ClaimedRun) -> Outcome | None:
        """Execute a claimed run once its model's limits let it start, and store its outcome; None if refused.

        Returns after the commit. It takes no slot and goes before the rows of batches.
        """
        self.hold(run)
        return await self._finish(run, None, None, has_slot=False)

    async def execute_row(self, prepared: PreparedRun, permit: Permit, *, has_slot: bool = True) -> Outcome | None:
        """Execute a row that has its permit, and a slot unless told, and store its outcome; None if refused."""
        return await self._finish(prepared.run, await self._fresh(prepared), permit, has_slot=has_slot)

    async def prepare(self, run: ClaimedRun) -> PreparedRun | Outcome:
        """Return a row that was taken, ready to wait for its start, or how it ended already, which is to be settled."""
        return await self._executor.prepare(run)

    def gate(self, prepared: PreparedRun) -> Gate:
        """Return the gate of the run's model, with the limits that hold now."""
        return self._gate_of(prepared.agent)

    def _gate_of(self, agent: LoadedAgent) -> Gate:
        gate = self.dispatcher.gate(agent.bucket)
        gate.learn(agent.limits, agent.blocked_for, agent.loaded_at)
        return gate

    async def _fresh(self, prepared: PreparedRun) -> PreparedRun | None:
        """Return a row with its agent as it is now, for it may have waited long; None where it must be read anew."""
        if time.monotonic() - prepared.agent.loaded_at <= FRESH_SECONDS:
            return prepared
        fresh = await self._executor.prepare(prepared.run)
        return fresh if isinstance(fresh, PreparedRun) and fresh.agent.bucket == prepared.agent.bucket else None

    def hold(self, run: ClaimedRun) -> None:
        """Know that this process holds `run`, until its outcome is stored or it is let go."""
        self._unstored.add((run.id, run.attempt))
        self._idle.clear()

    async def unclaim(self, runs: Sequence[ClaimedRun]) -> None:
        """Give back rows that were never started."""
        if runs:
            await self.engine.run_db(unclaim, runs)
            self.let_go([(run.id, run.attempt) for run in runs])

    def let_go(self, keys: Iterable[Held]) -> None:
        """Forget runs that are not ours any more."""
        self._unstored.difference_update(keys)
        if not self._unstored:
            self._idle.set()

    async def _finish(
        self, run: ClaimedRun, prepared: PreparedRun | None, permit: Permit | None, *, has_slot: bool
    ) -> Outcome | None:
        key = (run.id, run.attempt)
        try:
            if self._is_cut:
                outcome = self._executor.handed_back(run)
            else:
                self._executing[key] = current_task()
                outcome = await self._executor.execute(run, prepared, permit, has_slot=has_slot)
        finally:
            self._executing.pop(key, None)
            if permit is not None and permit.is_open:
                # No call was made.
                permit.gate.end_unused(permit)
        return await self.settle(run, outcome)

    async def settle(self, run: ClaimedRun, outcome: Outcome) -> Outcome | None:
        """Store what came of `run`; return it, or None where the database has refused it."""
        try:
            accepted = await self._store(outcome)
        finally:
            self.let_go([(run.id, run.attempt)])
        if outcome.pause_reason is not None:
            # Whoever puts it right and resumes is not to meet what was loaded before.
            self._agents.forget(run.version_id)
        if not accepted:
            log.warning("result_refused", run_id=run.id, attempt=run.attempt)
        return outcome if accepted else None

    def _make_meter(self, prepared: PreparedRun, permit: Permit | None, has_slot: bool) -> RunMeter:
        gate = self.gate(prepared)
        if permit is not None and permit.gate is not gate:
            # The agent's credential was changed while the row waited.
            permit.gate.end_unused(permit)
            permit = None
        return RunMeter(self.dispatcher, gate, prepared.need, permit, self._blocks.refused, has_slot=has_slot)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.engine.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, outcome: Outcome) -> bool:
        """Store an outcome; one that the database refuses is stored as a failure of its own run."""
        try:
            return await self._outcomes.submit(outcome)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("outcome_unstorable", run_id=outcome.run.id, error=type(error).__name__)
            return await self._outcomes.submit(self._executor.unstorable(outcome))

    async def run_single(self, run_id: int) -> None:
        """Claim and run a single run, and again after each short delay, until it ends or somebody else has it.

        After a longer delay maintenance offers it again: a thread that sleeps is one less for others.
        """
        while not self.is_draining:
            run = await self._claims.submit(run_id)
            outcome = await self._single_outcome(run) if run is not None else None
            if outcome is None or outcome.state is not RunState.QUEUED or outcome.delay > SHORT_DELAY_SECONDS:
                return
            await asyncio.sleep(outcome.delay)

    async def _single_outcome(self, run: ClaimedRun) -> Outcome | None:
        """Execute a single run; where too many wait for its model already, let it wait in the database."""
        self.hold(run)
        prepared = await self.prepare(run)
        if not isinstance(prepared, PreparedRun):
            return await self.settle(run, prepared)
        gate = self.gate(prepared)
        if gate.is_held_back(self.engine.loop.time()) and len(gate.front) >= MOST_WAITING_SINGLES:
            await self.engine.run_db(unclaim, [run], CROWDED_SECONDS)
            self.let_go([(run.id, run.attempt)])
            return None
        return await self._finish(run, prepared, None, has_slot=False)

    def _claim_group(self, run_ids: Sequence[int]) -> list[ClaimedRun | None]:
        """Claim single runs together (database thread)."""
        if self._singles_lease is None:
            self._singles_lease = open_lease(self.process, None)
            self.leases.add(self._singles_lease)
        try:
            claimed = {run.id: run for run in claim_singles(run_ids, self._singles_lease)}
        except LeaseLost:
            self._singles_lease = None
            return self._claim_group(run_ids)
        return [claimed.pop(run_id, None) for run_id in run_ids]

    async def _beat(self) -> None:
        """Renew the leases, and cut off the runs that are not ours any more."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # Only those that were under way before the look: what is claimed during it is not missed.
            before, waiting = dict(self._executing), self._unstored - self._executing.keys()
            try:
                held = await self._renew()
                await self._return_strange(held)
            except Exception as error:
                log.error("heartbeat_failed", error=type(error).__name__)
                continue
            for key, task in before.items():
                if key not in held and not task.done():
                    log.info("run_cut_off", run_id=key[0])
                    task.cancel()
            self.let_go(self.turns.drop(waiting - held))

    async def _refresh(self) -> None:
        """Follow what users change of the batches at work: state, priority and weight."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if batch_ids := self.turns.batch_ids():
                    self.turns.refresh(await self.engine.run_db(current_settings, batch_ids))
                    await self._look_at_limits()
            except Exception as error:
                log.error("refresh_failed", error=type(error).__name__)

    async def _look_at_limits(self) -> None:
        """Let rows that wait for a limit see when it is raised."""
        for version_id in self.turns.versions():
            # What is wrong with an agent is told when a row of it starts.
            with contextlib.suppress(WorkError):
                self._gate_of(await self._agents.get(version_id))
        self.dispatcher.schedule()

    async def _renew(self) -> set[Held]:
        leases = set(self.leases)
        live, held = await self.engine.run_db(renew_leases, leases)
        self.leases -= leases - live
        if self._singles_lease not in live:
            self._singles_lease = None
        return held

    async def _return_strange(self, held: set[Held]) -> None:
        """Hand back what is ours by the database but unknown here, twice in a row: the answer to its claim was lost."""
        strange = held - self._unstored
        orphans, self._strange = strange & self._strange, strange
        if orphans:
            log.warning("orphans_returned", runs=len(orphans))
            await self.engine.run_db(return_orphans, orphans)

    def drain(self) -> None:
        """Take nothing new; after the grace time cut what still runs, so that its rows are handed back. Any thread."""
        if not self.is_draining:
            self.is_draining = True
            grace = settings.ARBORETUM_GRACE_SECONDS
            log.info("worker_draining", running=self.running, grace=grace)
            self.engine.give_up(grace + STORING_SECONDS)
            self.engine.loop.call_soon_threadsafe(self.turns.stop)
            self.engine.loop.call_soon_threadsafe(self.dispatcher.send_away)
            self.engine.submit(self._cut_after(grace))

    async def _cut_after(self, grace: float) -> None:
        # A claim that is under way now brings runs in a moment, so being idle is no reason to end the wait.
        await asyncio.sleep(grace)
        self._is_cut = True
        for task in self._executing.values():
            task.cancel()

    def stop(self) -> None:
        """Release what is held and stop the threads. Called when no task runs any more."""
        self.drain()
        try:
            self.engine.submit(self._release()).result(timeout=settings.ARBORETUM_GRACE_SECONDS + 2 * STORING_SECONDS)
        except Exception as error:
            # The leases run out by themselves, and others take the runs.
            log.warning("release_failed", error=type(error).__name__)
        finally:
            self.engine.stop()

    async def _release(self) -> None:
        await self._idle.wait()
        await self.engine.run_db(release_leases, list(self.leases))
        await self.clients.aclose()
        for work in self._background:
            work.cancel()
        await asyncio.sleep(0)
        with contextlib.suppress(RedisError):
            await self._limiter.leave()
        await close_async_connection()


def current_task() -> "asyncio.Task[Any]":
    """Return the task that runs now."""
    task = asyncio.current_task()
    assert task is not None
    return task


# Drained from a signal's handler, which may have interrupted this very thread in here.
_lock = threading.RLock()
_host: WorkerHost | None = None


def host() -> WorkerHost:
    """Return this process' host, started at the first call; a forked child gets its own."""
    global _host
    with _lock:
        if _host is None or _host.engine.pid != os.getpid():
            calm_collector()
            _host = WorkerHost()
        return _host


def stop_host() -> None:
    """Stop this process' host, if it has one."""
    global _host
    with _lock:
        stopping, _host = _host, None
    if stopping is not None and stopping.engine.pid == os.getpid():
        stopping.stop()
