"""What one worker process has for running runs: engine, slots, clients, the writer, its heartbeat."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from agents.llm.pool import ClientPool
from batches.states import RunState
from workers.bus.publisher import Publisher
from workers.coalesce import Coalescer
from workers.collector import calm_collector
from workers.engine import Engine
from workers.ratelimit.limiter import Limiter
from workers.redis import close_async_connection

from .agents_cache import FRESH_SECONDS, AgentCache, LoadedAgent, LoadedModel
from .answer_store import StoredAnswers
from .balance import Balance
from .blocks import Blocks
from .changes import listen_for_cancels
from .claims import ClaimedRun, claim_singles
from .dispatcher import Dispatcher
from .executor import Executor
from .gate import Gate
from .heartbeat import Heartbeat
from .holdings import Holdings
from .journal import Journal
from .leases import LeaseLost, open_lease, release_leases
from .live import tell_outcome
from .metering import RunMeter
from .outcomes import Outcome
from .permits import Permit
from .prepared import PreparedRun
from .slots import Slots
from .storing import store_outcomes
from .turns import Turns
from .unclaiming import unclaim

T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_COMMIT_SECONDS = 0.1
# The slots of a group are free when it is committed, so it is not larger than pays.
GROUP_COMMIT_ROWS = 250
# Each single run that waits for a limit holds a thread; of one model no more than these do, so that others have some.
MOST_WAITING_SINGLES = 48
CROWDED_SECONDS = 2.0
# A single run's retry due within this time is waited for by its task.
SHORT_DELAY_SECONDS = 2.0
# What a stopping worker gives the database beyond the grace time to take what is to be stored.
STORING_SECONDS = 5.0
# And Redis, to take what is to be told.
TELLING_SECONDS = 1.0
# So many runs that were cancelled before they began here are remembered: they may be on their way from the claim.
REMEMBERED_CANCELS = 1_000


class WorkerHost:
    """The executing part of a worker process; one per process, made by `host()`."""

    def __init__(self, process: str | None = None) -> None:
        """Start the engine and the heartbeat; `process` names this process, by host, process id and start if None."""
        self.engine = Engine()
        self.process = process or f"{socket.gethostname()}:{os.getpid()}:{time.time_ns() // 1_000_000 % 10**9}"
        self.slots = Slots(settings.ARBORETUM_WORKER_SLOTS)
        self.turns = Turns()
        self.clients = ClientPool()
        # What else has to look when a batch was changed.
        self.on_change: list[Callable[[], Awaitable[None]]] = []
        self.is_draining = False
        self._is_cut = False
        self._journal = Journal(self.process, self.engine.loop)
        self.holdings = Holdings(self._journal)
        self._limiter = Limiter(self.process)
        self.dispatcher = Dispatcher(self.slots, self._limiter)
        self._blocks = Blocks(self.engine, self.dispatcher, self._limiter, self.spawn)
        self._agents = AgentCache(self.engine)
        self.answers = StoredAnswers(self.engine, self.spawn)
        self._bus = Publisher()
        self._executor = Executor(
            self._agents, self.clients, self.process, self._make_meter, self.answers, self._blocks.broken, self._bus
        )
        self._balance = Balance()
        self._outcomes = self._storing(GROUP_COMMIT_SECONDS)
        # Somebody waits for a single run: nothing is waited for but the database, so that groups form under load alone.
        self._single_outcomes = self._storing(0.0)
        self._claims = Coalescer(self.engine, self._claim_group, interval=0.0)
        self._singles_lease: int | None = None
        self._cancelled: deque[int] = deque(maxlen=REMEMBERED_CANCELS)
        self._tasks: set[asyncio.Task[None]] = set()
        # Its HTTP library is loaded by processes that run tasks alone.
        from batches.webhooks.sending import WebhookSender

        self.webhooks = WebhookSender(self.engine, self.spawn)
        heart = Heartbeat(self)
        works = (heart.beat(), heart.refresh(), heart.listen(), self._blocks.listen(), listen_for_cancels(self.cut))
        self._background = [self.engine.submit(work) for work in works]

    @property
    def running(self) -> int:
        """How many runs this process is executing now."""
        return len(self.holdings.executing)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and return its result; called from a task's thread."""
        return self.engine.submit(work).result()

    async def execute(self, run: ClaimedRun) -> Outcome | None:
        """Execute a claimed run once its model's limits let it start, and store its outcome; None if refused.

        Returns after the commit. It takes no slot and goes before the rows of batches.
        """
        self.holdings.hold(run)
        return await self._finish(run, None, None, has_slot=False)

    async def execute_row(
        self, prepared: PreparedRun, permit: Permit | None, *, has_slot: bool = True
    ) -> Outcome | None:
        """Execute a row that has its permit, and a slot unless told, and store its outcome; None if refused.

        A row that a stored answer serves has no permit.
        """
        return await self._finish(prepared.run, await self._fresh(prepared), permit, has_slot=has_slot)

    async def prepare(self, run: ClaimedRun) -> PreparedRun | Outcome:
        """Return a row that was taken, ready to wait for its start, or how it ended already, which is to be settled."""
        return await self._executor.prepare(run)

    def gates(self, prepared: PreparedRun) -> tuple[Gate, ...]:
        """Return the gates of the models that the run may call, with the limits that hold now.

        The first is where it is to wait: of a pool the model whose turn it is among those that are free.
        """
        agent = prepared.agent
        if len(agent.models) == 1:
            return (self._gate_of(agent.models[0], agent.loaded_at),)
        gates = self._gates_of(agent)
        fitting = {model.name for model in agent.fitting(prepared.need.prompt_tokens)}
        options = [(model, gate) for model, gate in zip(agent.models, gates, strict=True) if model.name in fitting]
        first = self._balance.choose(agent.version_id, options, self.engine.loop.time())
        return (first, *(gate for _, gate in options if gate is not first))

    async def served_by_store(self, prepared: Sequence[PreparedRun]) -> set[int]:
        """Return the ids of those runs that a stored answer serves wholly, so that they need no call."""
        asking = [one for one in prepared if one.first_keys]
        found = await asyncio.gather(*(self.answers.of(one.agent).find(one.first_keys) for one in asking))
        return {one.run.id for one, hit in zip(asking, found, strict=True) if hit and not hit[1].tool_calls}

    async def look_at_limits(self, version_id: int) -> None:
        """Let the gates of an agent's models know the limits that hold now. Raises WorkError where it has no model."""
        self._gates_of(await self._agents.get(version_id))

    def _gates_of(self, agent: LoadedAgent) -> tuple[Gate, ...]:
        return tuple(self._gate_of(model, agent.loaded_at) for model in agent.models)

    def _gate_of(self, model: LoadedModel, known_at: float) -> Gate:
        gate = self.dispatcher.gate(model.bucket)
        gate.learn(model.limits, model.blocked_for, known_at)
        return gate

    async def _fresh(self, prepared: PreparedRun) -> PreparedRun | None:
        """Return a row with its agent as it is now, for it may have waited long; None where it must be read anew."""
        if time.monotonic() - prepared.agent.loaded_at <= FRESH_SECONDS:
            return prepared
        fresh = await self._executor.prepare(prepared.run)
        return fresh if isinstance(fresh, PreparedRun) else None

    async def unclaim(self, runs: Sequence[ClaimedRun]) -> None:
        """Give back rows that were never started."""
        if runs:
            await self.engine.run_db(unclaim, runs)
            self.holdings.let_go([run.key for run in runs])

    async def _finish(
        self, run: ClaimedRun, prepared: PreparedRun | None, permit: Permit | None, *, has_slot: bool
    ) -> Outcome | None:
        try:
            if self._is_cut or run.id in self._cancelled:
                outcome = self._executor.handed_back(run)
            else:
                self.holdings.executing[run.key] = current_task()
                if prepared is not None and permit is None:
                    self.holdings.keep_waiting(run)
                outcome = await self._executor.execute(run, prepared, permit, has_slot=has_slot)
        finally:
            self.holdings.executing.pop(run.key, None)
            if permit is not None and permit.is_open:
                # No call was made.
                permit.gate.end_unused(permit)
        return await self.settle(run, outcome)

    async def settle(self, run: ClaimedRun, outcome: Outcome) -> Outcome | None:
        """Store what came of `run`; return it, or None where the database has refused it."""
        self.holdings.end(outcome)
        try:
            stored = await self._store(outcome)
        except BaseException:
            # Where the process ends before the database is back, others are to store it.
            forget = self.holdings.leave if self.is_draining else self.holdings.let_go
            forget([run.key])
            raise
        self.holdings.let_go([run.key])
        if outcome.pause_reason is not None:
            # Whoever puts it right and resumes is not to meet what was loaded before.
            self._agents.forget(run.version_id)
        if stored is None:
            log.warning("result_refused", run_id=run.id, attempt=run.attempt)
        elif run.batch_id is None:
            tell_outcome(self._bus, stored)
        return stored

    def _make_meter(self, prepared: PreparedRun, permit: Permit | None, has_slot: bool) -> RunMeter:
        agent = prepared.agent
        if permit is not None and agent.model_of(permit.gate.bucket) is None:
            # The agent's credential was changed while the row waited.
            permit.gate.end_unused(permit)
            permit = None
        gate = self.gates(prepared)[0] if permit is None else permit.gate
        gate_of = partial(self._gate_of, known_at=agent.loaded_at)
        begin = partial(self.holdings.begin, prepared.run, in_this_step=True)
        return RunMeter(
            self.dispatcher, gate, prepared.need, permit, self._blocks.refused, begin, gate_of, has_slot=has_slot
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` on the loop, from there, and keep it from being collected."""
        task = self.engine.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _storing(self, interval: float) -> Coalescer[Outcome, bool]:
        return Coalescer(
            self.engine,
            store_outcomes,
            interval=interval,
            max_items=GROUP_COMMIT_ROWS,
            size_of=lambda outcome: outcome.size,
        )

    async def _store(self, outcome: Outcome) -> Outcome | None:
        """Store an outcome and return it; one that the database cannot take is stored as a failure of its own run.

        None where the fence was closed.
        """
        outcomes = self._single_outcomes if outcome.run.batch_id is None else self._outcomes
        try:
            return outcome if await outcomes.submit(outcome) else None
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("outcome_unstorable", run_id=outcome.run.id, error=type(error).__name__)
            outcome = self._executor.unstorable(outcome)
            return outcome if await outcomes.submit(outcome) else None

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
        self.holdings.hold(run)
        prepared = await self.prepare(run)
        if not isinstance(prepared, PreparedRun):
            return await self.settle(run, prepared)
        now = self.engine.loop.time()
        if all(_is_crowded(gate, now) for gate in self._gates_of(prepared.agent)):
            await self.engine.run_db(unclaim, [run], CROWDED_SECONDS)
            self.holdings.let_go([run.key])
            return None
        return await self._finish(run, prepared, None, has_slot=False)

    def _claim_group(self, run_ids: Sequence[int]) -> list[ClaimedRun | None]:
        """Claim single runs together (database thread)."""
        if self._singles_lease is None:
            self._singles_lease = open_lease(self.process, None)
            self.holdings.leases.add(self._singles_lease)
        try:
            claimed = {run.id: run for run in claim_singles(run_ids, self._singles_lease)}
        except LeaseLost:
            self._singles_lease = None
            return self._claim_group(run_ids)
        return [claimed.pop(run_id, None) for run_id in run_ids]

    def cut(self, run_id: int) -> None:
        """Cut the call of a single run that was cancelled; where it has not begun here, let it never begin."""
        tasks = [task for key, task in self.holdings.executing.items() if key[0] == run_id]
        for task in tasks:
            log.info("run_cut_off", run_id=run_id)
            task.cancel()
        if not tasks:
            self._cancelled.append(run_id)

    def drain(self) -> None:
        """Take nothing new; after the grace time cut what still runs, so that its rows are handed back. Any thread."""
        if not self.is_draining:
            self.is_draining = True
            self.webhooks.stop()
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
        for task in self.holdings.executing.values():
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
            self._journal.close()

    async def _release(self) -> None:
        await self.holdings.idle.wait()
        if not self.holdings.has_answers:
            await self.engine.run_db(release_leases, list(self.holdings.leases))
        await self.clients.aclose()
        await self._bus.flush(TELLING_SECONDS)
        for work in self._background:
            work.cancel()
        await asyncio.sleep(0)
        with contextlib.suppress(RedisError):
            await self._limiter.leave()
        await close_async_connection()


def _is_crowded(gate: Gate, now: float) -> bool:
    return gate.is_held_back(now) and len(gate.front) >= MOST_WAITING_SINGLES


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
