"""Who starts next: hands the permits of the limiter and the slots of the process to rows, single runs and later calls.

A row takes a slot only when it may start; until then it waits in its lane. Among the lanes the highest priority goes
first, equals share by weight. Single runs and the later calls of runs under way go before every row.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from itertools import groupby
from operator import itemgetter

import structlog
from redis.exceptions import RedisError

from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Bucket, Grant

from .gate import Gate
from .lanes import LaneRow
from .permits import Asker, Need, Permit
from .shares import Shares
from .slots import Slots

log = structlog.get_logger(__name__)

# How long the limiter is not asked again after it did not answer: nothing starts meanwhile.
UNREACHABLE_SECONDS = 1.0
# A limit that holds calls back for less is no news.
TOLD_AFTER_SECONDS = 1.0
# A paced call starts at most this long after its time, whether the limiter's answer, the loop or a slot kept it: the
# windows hold while calls reach the provider at most 0.9 s after it.
LATE_SECONDS = 0.6
# What happened is told with the next question where that comes within this time.
SOON_ASKED_SECONDS = 1.0
# Rows of pools look this often whether another model is free.
POOL_SECONDS = 0.25
# What starts sooner than this is started at once.
SOON_SECONDS = 0.001


class Waiter:
    """A single run, or a later call of a run, that waits for its permit."""

    def __init__(self, gate: Gate, need: Need, *, has_begun: bool) -> None:
        """Wait before `gate`; `has_begun` where earlier calls of the run were made."""
        self.need = need
        self.has_begun = has_begun
        self.permit: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._gate = gate

    def start(self, permit: Permit) -> None:
        """Hand over the permit, if somebody still waits for it."""
        if self.permit.done():
            permit.gate.end_unused(permit)
        else:
            self.permit.set_result(permit)

    def give_back(self) -> None:
        """Wait again, before the others."""
        if not self.permit.done():
            self._gate.front.appendleft(self)


class Dispatcher:
    """Used from the engine's loop alone, but for its making."""

    def __init__(self, slots: Slots, limiter: Limiter) -> None:
        """Give out `slots`, under the limits that `limiter` shares with the other processes."""
        self.slots = slots
        self.shares = Shares()
        self.gates: dict[Bucket, Gate] = {}
        self._limiter = limiter
        # With a permit, and without a slot.
        self._ready: deque[tuple[LaneRow, Permit]] = deque()
        # Slots that rows on their way to a permit will take.
        self._promised = 0
        self._is_due = False
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unreachable_since: float | None = None
        # What is started here belongs to no run, so neither does what it logs.
        self._context = Context()

    def gate(self, bucket: Bucket) -> Gate:
        """Return this process' gate of `bucket`."""
        gate = self.gates.get(bucket)
        if gate is None:
            gate = self.gates[bucket] = Gate(bucket)
        return gate

    async def admit(self, gate: Gate, need: Need, *, first: bool = False) -> Permit:
        """Return a permit when there is one; `first` goes before those that have not begun."""
        waiter = Waiter(gate, need, has_begun=first)
        if first:
            gate.front.appendleft(waiter)
        else:
            gate.front.append(waiter)
        # What kept rows waiting may not concern it.
        gate.ask_soon(asyncio.get_running_loop().time())
        self.schedule()
        try:
            return await waiter.permit
        except asyncio.CancelledError:
            if waiter in gate.front:
                gate.front.remove(waiter)
            if waiter.permit.done() and not waiter.permit.cancelled():
                # It had been handed over, and whoever waited is gone.
                gate.end_unused(waiter.permit.result())
            self.schedule()
            raise

    def send_away(self) -> None:
        """Cancel who waits for a first call: the process is asked to stop, and others may take their runs."""
        for gate in self.gates.values():
            for waiter in [waiter for waiter in gate.front if isinstance(waiter, Waiter) and not waiter.has_begun]:
                waiter.permit.cancel()

    def give_slot_back(self) -> None:
        """A row has ended: its slot goes to who is ready, or to whoever asks next."""
        self.slots.give_back()
        self.schedule()

    def close(self, gate: Gate, seconds: float) -> None:
        """Let nothing start before `gate` for `seconds`; with 0 what closed it is lifted."""
        if seconds > 0:
            gate.close(asyncio.get_running_loop().time() + seconds)
        else:
            gate.open()
        self.schedule()

    def schedule(self) -> None:
        """Look soon who may start."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._pump, context=self._context)

    def _pump(self) -> None:
        self._is_due = False
        now = asyncio.get_running_loop().time()
        self._start_ready(now)
        room = self.slots.free - self._promised - len(self._ready)
        self.shares.rebalance(now)
        rows = self.shares.choose(now, room, self.slots.free)
        for gate in list(self.gates.values()):
            if not gate.is_asking:
                self._ask_if_due(gate, rows.get(gate, []), now)
        self._set_alarm(now)

    def _ask_if_due(self, gate: Gate, rows: list[LaneRow], now: float) -> None:
        askers: list[Asker] = []
        if gate.front and gate.may_ask(now):
            askers = [gate.front.popleft() for _ in range(min(len(gate.front), gate.appetite))]
        if askers or rows or self._is_report_due(gate, now):
            gate.is_asking = True
            self._promised += len(rows)
            task = asyncio.get_running_loop().create_task(self._ask(gate, askers, rows))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, gate: Gate, front: list[Asker], rows: list[LaneRow]) -> None:
        """Ask for a permit for each of `front` and of `rows`, and start what may start."""
        askers: list[Asker] = [*front, *rows]
        try:
            grant, costs, asked_at = await self._exchange(gate, askers, len(front))
        except Exception as error:
            self._tell_failure(error)
            _give_back(askers)
        else:
            self._unreachable_since = None
            self._use(gate, askers, costs, grant, asked_at)
        finally:
            gate.is_asking = False
            self._promised -= len(rows)
            self.schedule()

    async def _exchange(self, gate: Gate, askers: list[Asker], front: int) -> tuple[Grant, list[int], float]:
        """Return the limiter's answer, what was asked for, and when."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        could_start = len(askers) + len(gate.front) + (gate.rows_waiting if self.slots.free > 0 else 0)
        report = gate.take_report(could_start)
        try:
            costs = [gate.cost(asker.need) for asker in askers]
            blocked_for = max(0.0, gate.closed_until - asked_at)
            grant = await self._limiter.exchange(
                gate.bucket, gate.limits, report, costs, blocked_for=blocked_for, front=front
            )
        except Exception:
            gate.fail(report, loop.time() + UNREACHABLE_SECONDS)
            raise
        return grant, costs, asked_at

    def _use(self, gate: Gate, askers: Sequence[Asker], costs: Sequence[int], grant: Grant, asked_at: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        gate.note(grant, len(askers), now)
        _tell_limited(gate, grant)
        permits = gate.permits(askers, costs, grant, asked_at)
        _give_back(askers[len(permits) :])
        granted = zip(grant.delays, askers, permits, strict=False)
        # Together, since timers of one moment ring in any order.
        for delay, group in groupby(granted, key=itemgetter(0)):
            calls = [(asker, permit) for _, asker, permit in group]
            gate.booked += len(calls)
            if delay <= SOON_SECONDS:
                self._start_all(calls)
            else:
                loop.call_at(now + delay, self._start_all, calls, context=self._context)

    def _start_all(self, calls: Sequence[tuple[Asker, Permit]]) -> None:
        """Start calls whose time has come, as far as they still may, in their order."""
        now = asyncio.get_running_loop().time()
        back = [asker for asker, permit in calls if not self._start(asker, permit, now)]
        if back:
            _give_back(back)
            self.schedule()

    def _start(self, asker: Asker, permit: Permit, now: float) -> bool:
        """Start a call or let it wait for a slot; return False where it has to ask again.

        One that is late for its pace, as after a freeze, does.
        """
        gate = permit.gate
        gate.booked -= 1
        is_gone = isinstance(asker, LaneRow) and not asker.lane.may_start(asker)
        if is_gone or gate.closed_until > now or (permit.is_paced and now > permit.due + LATE_SECONDS):
            gate.end_unused(permit)
            return False
        if not isinstance(asker, LaneRow) or self.slots.take():
            asker.start(permit)
        else:
            gate.booked += 1
            self._ready.append((asker, permit))
        return True

    def _start_ready(self, now: float) -> None:
        """Start rows that have a permit and wait for a slot; let go of permits that waited too long."""
        for _ in range(len(self._ready)):
            row, permit = self._ready.popleft()
            is_late = permit.is_paced and permit.due + LATE_SECONDS < now
            if self.slots.free <= 0 and not is_late:
                self._ready.append((row, permit))
            elif not self._start(row, permit, now):
                row.give_back()

    def _is_report_due(self, gate: Gate, now: float) -> bool:
        due = self._report_due_at(gate, now)
        return due is not None and due <= now

    def _report_due_at(self, gate: Gate, now: float) -> float | None:
        is_wanted = bool(gate.front) or (gate.rows_waiting > 0 and self.slots.free > 0)
        is_question_due = is_wanted and max(gate.next_ask, gate.closed_until) - now < SOON_ASKED_SECONDS
        return gate.report_due_at(is_question_due=is_question_due)

    def _set_alarm(self, now: float) -> None:
        """Wake up when a gate may be asked again or must be told something, or a permit is late."""
        times = [permit.due + LATE_SECONDS for _, permit in self._ready if permit.is_paced]
        for gate in self.gates.values():
            if gate.is_asking:
                continue
            if gate.waiting and (opens := max(gate.next_ask, gate.closed_until)) > now:
                times.append(opens)
            if (due := self._report_due_at(gate, now)) is not None:
                times.append(due)
        if self.shares.has_pooled_rows:
            # They may go to a model at which nobody waits.
            times.append(now + POOL_SECONDS)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if times:
            moment = max(min(times), now + SOON_SECONDS)
            self._alarm = asyncio.get_running_loop().call_at(moment, self._ring, context=self._context)

    def _ring(self) -> None:
        self._alarm = None
        self.schedule()

    def _tell_failure(self, error: Exception) -> None:
        """Log the first of a row of failures: without the limiter nothing starts."""
        if self._unreachable_since is None:
            self._unreachable_since = time.monotonic()
            log.warning("limiter_unreachable", error=type(error).__name__)
        if not isinstance(error, RedisError):
            log.error("limiter_failed", error=type(error).__name__, exc_info=error)


def _give_back(askers: Sequence[Asker]) -> None:
    # The last first, so that they wait again in the order in which they came.
    for asker in reversed(askers):
        asker.give_back()


def _tell_limited(gate: Gate, grant: Grant) -> None:
    """Log once when calls have waited for a second, and once when none waits any more."""
    facts: dict[str, object] = {"credential": gate.bucket.credential, "model": gate.bucket.model}
    if grant.binding is not None and grant.since >= TOLD_AFTER_SECONDS and not gate.is_told_limited:
        gate.is_told_limited = True
        log.info("limit_reached", **facts, binding=str(grant.binding), since=round(grant.since, 1))
    elif not grant.since and gate.is_told_limited:
        gate.is_told_limited = False
        log.info("limit_lifted", **facts)
