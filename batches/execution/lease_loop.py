"""A lease at work: rows of one batch taken ahead of their start, and run as slots and limits allow, for a while."""

import asyncio
import heapq
import time
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any

from batches.publishing import publish_lease_now
from batches.states import RunState

from .claims import ClaimedRun, claim_batch
from .lanes import LEAST_READ_AHEAD, Lane
from .leases import Held, LeaseLost, open_lease, release_leases
from .outcomes import Outcome
from .permits import Permit
from .prepared import PreparedRun
from .turns import BatchSettings, current_settings
from .twins import MOST_WAITING, Twins

if TYPE_CHECKING:
    from .host import WorkerHost

# After this long a lease takes no more rows if other batches wait for a loop in this process.
TURN_SECONDS = 30.0
# One claim takes at most this many rows: it holds the database for a few milliseconds.
CLAIM_ROWS = 200
FIRST_CLAIM_ROWS = 16
# Rows are taken together, at most this often.
TOP_UP_SECONDS = 0.02
# A loop looks for changes that nobody tells it of after a quarter of this at first.
LONGEST_WAIT_SECONDS = 0.5
# A retry due within this time is waited for; one due later is offered by maintenance.
SHORT_WAIT_SECONDS = 5.0


class LeaseLoop:
    """Runs rows of one batch until none is due, its turn is over, the batch is stopped or the process is draining."""

    def __init__(self, host: "WorkerHost", batch_id: int, lease_id: int) -> None:
        """Work for `batch_id` under the open lease `lease_id`, with the slots of `host`."""
        self._host = host
        self._batch_id = batch_id
        self._lease_id = lease_id
        self.lane = Lane(batch_id, self._start)
        self._turn_ends = time.monotonic() + TURN_SECONDS
        self.is_stopped = False
        # It takes no more rows, and another may begin.
        self.left = asyncio.Event()
        self._is_exhausted = False
        self._has_room_for_more = False
        self._due: list[float] = []
        self._twins = Twins()
        self._left: list[PreparedRun] = []
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._patience = LONGEST_WAIT_SECONDS / 4
        self._ran = 0

    def wake(self) -> None:
        """Look for due rows again: somebody knows of some."""
        self._is_exhausted = False
        self._changed.set()

    def follow(self, settings: BatchSettings) -> None:
        """Take part with the batch's priority and weight as they are now."""
        self.lane.priority, self.lane.weight = settings.priority, max(1, settings.weight)
        self.lane.is_mixed = settings.is_mixed
        if not settings.has_due:
            self._give_surplus_back()

    def _give_surplus_back(self) -> None:
        """Leave rows that wait for slots to others, who may have slots for them: nothing else is left to take."""
        if surplus := self.lane.take_surplus(self._kept()):
            self.lane.is_ending, self._is_exhausted = True, False
            # Nobody here asks any more what these wait for.
            surplus += [twin for prepared in list(surplus) for twin in self._twins.ended(prepared.run.id)]
            self._keep(self._host.unclaim([prepared.run for prepared in surplus]))

    def _kept(self) -> int:
        """Return how many rows wait here when nothing is left to take: for free slots, and for their turn among others.

        Without any, the others would take each slot that becomes free.
        """
        has_rivals = len(self._host.dispatcher.shares) > 1
        return max(self._host.slots.free, LEAST_READ_AHEAD if has_rivals else 0)

    async def _look_for_due(self) -> None:
        """Where rows wait here for slots, and nothing else is left to take, let others have them."""
        if self.lane.buffered <= self._kept() or self.lane.is_limited:
            return
        settings = await self._host.engine.run_db(current_settings, [self._batch_id])
        if self._batch_id in settings:
            self.follow(settings[self._batch_id])

    def stop(self) -> None:
        """Take and start nothing more, from now on."""
        self.is_stopped = True
        self._left += [*self.lane.close(self._give_back), *self._twins.take_all()]
        self._changed.set()

    def drop(self, keys: Collection[Held]) -> list[Held]:
        """Forget waiting rows that are not ours any more; return them."""
        dropped = [*self.lane.drop(keys), *self._twins.drop(keys)]
        for run_id, _ in dropped:
            self._let_go(run_id)
        return dropped

    async def run(self) -> int:
        """Return how many attempts were made."""
        turns, shares = self._host.turns, self._host.dispatcher.shares
        turns.begin(self._batch_id, self)
        self.lane.on_hunger = self._changed.set
        shares.add(self.lane)
        try:
            while await self._top_up():
                if self._has_room_for_more:
                    continue
                await self._await_change()
                await asyncio.sleep(TOP_UP_SECONDS)
        finally:
            turns.end_claiming(self._batch_id, self)
            try:
                self._left += [*self.lane.close(self._give_back), *self._twins.take_all()]
                await self._host.unclaim([prepared.run for prepared in self._left])
            finally:
                shares.remove(self.lane)
                while self._running:
                    await asyncio.gather(*self._running, return_exceptions=True)
                turns.end()
        return self._ran

    async def _await_change(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), self._patience)
            self._patience = LONGEST_WAIT_SECONDS / 4
        except TimeoutError:
            # Another process may have given rows back that it has no slots for.
            if self.lane.is_ending and self._host.slots.free > 0:
                self._is_exhausted = False
            longest = LONGEST_WAIT_SECONDS / 2 if self.lane.is_ending else LONGEST_WAIT_SECONDS
            self._patience = min(2 * self._patience, longest)
            await self._look_for_due()
        else:
            # Not after a look: what changed during it is still to be seen.
            self._changed.clear()

    async def _top_up(self) -> bool:
        """Take rows ahead; return whether there is anything left to wait for."""
        if self._host.is_draining or self.is_stopped:
            return False
        if time.monotonic() >= self._turn_ends:
            if not self._host.turns.has_room():
                publish_lease_now(self._batch_id)
                return False
            self._turn_ends = time.monotonic() + TURN_SECONDS
        self._has_room_for_more = False
        if self._may_claim() and not await self._claim():
            return False
        has_work = bool(self._running) or self.lane.held > 0 or self._twins.waiting > 0
        return has_work or not self._is_exhausted or self._is_due(within=SHORT_WAIT_SECONDS)

    def _may_claim(self) -> bool:
        return not self._is_exhausted or self._is_due()

    def _is_due(self, within: float = 0.0) -> bool:
        return bool(self._due) and self._due[0] <= time.monotonic() + within

    async def _claim(self) -> bool:
        """Take rows for what can start soon; return whether the lease still lives."""
        lanes = len(self._host.dispatcher.shares)
        room = self.lane.room(max(0, self._host.slots.free) // max(1, lanes), has_rivals=lanes > 1)
        # Only rows tell what limits hold for them, and rows beyond a limit are better left to other processes.
        # Those that stored answers serve meet no limit.
        wanted = min(CLAIM_ROWS if self.lane.waiting or self._ran else FIRST_CLAIM_ROWS, room)
        if not wanted or self._twins.waiting >= MOST_WAITING:
            return True
        while self._is_due():
            heapq.heappop(self._due)
        # Before the claim: a hint that comes during it must not be forgotten.
        self._is_exhausted = True
        try:
            without = self.lane.full_versions()
            runs = await self._host.engine.run_db(claim_batch, self._batch_id, self._lease_id, wanted, without=without)
        except LeaseLost:
            publish_lease_now(self._batch_id)
            return False
        await self._add(runs)
        # Without more none is due until a retry of ours is, or a hint comes.
        self.lane.is_ending = not runs.has_more and not without
        if not self.lane.is_ending:
            self._is_exhausted = False
            self._has_room_for_more = room > wanted
        else:
            self._give_surplus_back()
        return True

    async def _add(self, runs: list[ClaimedRun]) -> None:
        """Let rows wait in the lane; those that have ended already are stored beside."""
        holdings = self._host.holdings
        for run in runs:
            holdings.hold(run)
        ready: list[PreparedRun] = []
        for run in runs:
            prepared = await self._host.prepare(run)
            if isinstance(prepared, PreparedRun):
                holdings.keep_waiting(run)
                ready.append(prepared)
            else:
                self._keep(self._settle(run, prepared))
        await self._queue(ready)

    async def _queue(self, ready: list[PreparedRun]) -> None:
        """Let rows wait for their start, but for those that a stored answer serves, or the answer to a row before."""
        served = await self._host.served_by_store(ready)
        for prepared in ready:
            if not self.lane.is_open:
                # Closed while the store was asked.
                self._give_back(prepared)
            elif prepared.run.id in served:
                self._keep(self._serve(prepared))
            elif not self._twins.must_wait(prepared):
                self.lane.add(prepared, self._host.gates(prepared))
        self._host.dispatcher.schedule()

    async def _serve(self, prepared: PreparedRun) -> None:
        """End a row that a stored answer serves: it calls nobody, so it takes neither a permit nor a slot."""
        self._ran += 1
        outcome = await self._host.execute_row(prepared, None, has_slot=False)
        if outcome is not None:
            self._expect(outcome)

    def _let_go(self, run_id: int) -> None:
        """A row has ended here: who waited for its answer looks for it now."""
        if rows := self._twins.ended(run_id):
            self._keep(self._queue(rows))

    def _start(self, prepared: PreparedRun, permit: Permit) -> None:
        self._ran += 1
        self._host.holdings.begin(prepared.run)
        self._keep(self._run_one(prepared, permit))

    async def _run_one(self, prepared: PreparedRun, permit: Permit) -> None:
        try:
            outcome = await self._host.execute_row(prepared, permit)
        finally:
            # Only now: what a dying process can lose, and so call again, is never more than its slots.
            self._host.dispatcher.give_slot_back()
            self._let_go(prepared.run.id)
        if outcome is not None:
            self._expect(outcome)

    async def _settle(self, run: ClaimedRun, ended: Outcome) -> None:
        outcome = await self._host.settle(run, ended)
        if outcome is not None:
            self._expect(outcome)

    def _give_back(self, prepared: PreparedRun) -> None:
        """Give back a row that was on its way to a permit when the lane was closed."""
        self._keep(self._host.unclaim([prepared.run]))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not self._running:
            self._changed.set()

    def _expect(self, outcome: Outcome) -> None:
        if outcome.state is RunState.PENDING:
            heapq.heappush(self._due, time.monotonic() + outcome.delay)
            self._changed.set()


async def run_lease(host: "WorkerHost", batch_id: int) -> int:
    """Take a lease on a batch, work for it, and return how many attempts were made."""
    if host.is_draining or await host.turns.take_hint(host, batch_id) or not host.turns.reserve(batch_id):
        return 0
    try:
        return await _run_reserved(host, batch_id)
    finally:
        host.turns.release(batch_id)


async def _run_reserved(host: "WorkerHost", batch_id: int) -> int:
    settings = (await host.engine.run_db(current_settings, [batch_id])).get(batch_id)
    if settings is None or not host.turns.make_room(batch_id, settings.priority):
        return 0
    lease_id = await host.engine.run_db(open_lease, host.process, batch_id)
    host.holdings.leases.add(lease_id)
    try:
        loop = LeaseLoop(host, batch_id, lease_id)
        loop.follow(settings)
        return await loop.run()
    finally:
        # Else the end of the process releases it, or leaves it to who finds the answers.
        if not (host.is_draining and host.holdings.has_answers):
            await host.engine.run_db(release_leases, [lease_id])
            host.holdings.leases.discard(lease_id)
