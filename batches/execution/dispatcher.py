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
from .lanes import Lane, LaneRow
from .permits import Asker, Need, Permit
from .slots import Slots

log = structlog.get_logger(__name__)

# How long the limiter is not asked again after it did not answer: nothing starts meanwhile.
UNREACHABLE_SECONDS = 1.0
# Calls that ended are reported with the next question, or after this long.
QUIET_SECONDS = 0.25
# Calls in flight are reported at least this often, so that they keep counting.
SILENT_SECONDS = 4.0
# A limit that holds calls back for less is no news.
TOLD_AFTER_SECONDS = 1.0
# A paced call starts at most this long after its time, whether the limiter's answer, the loop or a slot kept it: the
# windows hold while calls reach the provider at most 0.9 s after it.
LATE_SECONDS = 0.6
# What starts sooner than this is started at once.
SOON_SECONDS = 0.001
# Rows that a new lane starts ahead of its share.
START_CREDIT_ROWS = 8
# A lane that could not start its rows does not save up more than this many.
MOST_LAG_ROWS = 100


class Waiter:
    """A single run, or a later call of a run, that waits for its permit."""

    def __init__(self, gate: Gate, need: Need) -> None:
        """Wait before `gate`."""
        self.need = need
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
        self.gates: dict[Bucket, Gate] = {}
        self._limiter = limiter
        self._lanes: list[Lane] = []
        self._ready: deque[tuple[LaneRow, Permit]] = deque()
        self._promised = 0
        self._virtual = 0.0
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

    def add_lane(self, lane: Lane) -> None:
        """Let `lane` take part from now on; of what was given out before it may claim a few rows.

        Others have permits for the next half second already, which it would wait for.
        """
        lane.virtual = self._virtual - START_CREDIT_ROWS / lane.weight
        self._lanes.append(lane)

    def remove_lane(self, lane: Lane) -> None:
        """Forget `lane`."""
        self._lanes.remove(lane)

    async def admit(self, gate: Gate, need: Need, *, first: bool = False) -> Permit:
        """Return a permit when there is one; `first` goes before those that have not begun."""
        waiter = Waiter(gate, need)
        if first:
            gate.front.appendleft(waiter)
        else:
            gate.front.append(waiter)
        self.schedule()
        try:
            return await waiter.permit
        except asyncio.CancelledError:
            if waiter in gate.front:
                gate.front.remove(waiter)
            if waiter.permit.done() and not waiter.permit.cancelled():
                # It had been handed over, and whoever waited is gone.
                gate.end_unused(waiter.permit.result())
            raise

    def give_slot_back(self) -> None:
        """A row has ended: its slot goes to who is ready, or to whoever asks next."""
        self.slots.give_back()
        if self._ready:
            self._start_ready()
        self.schedule()

    def close(self, gate: Gate, seconds: float) -> None:
        """Let nothing start before `gate` for `seconds`."""
        gate.close(asyncio.get_running_loop().time() + seconds)
        self.schedule()

    def schedule(self) -> None:
        """Look soon who may start."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._pump, context=self._context)

    def _pump(self) -> None:
        self._is_due = False
        now = asyncio.get_running_loop().time()
        rows = self._choose(now, self.slots.free - self._promised - len(self._ready))
        for gate in list(self.gates.values()):
            if gate.is_asking:
                continue
            askers: list[Asker] = []
            if gate.front and gate.may_ask(now):
                askers += [gate.front.popleft() for _ in range(min(len(gate.front), gate.appetite))]
            chosen = rows.get(gate, [])
            if askers or chosen or gate.owes_report(now, QUIET_SECONDS, SILENT_SECONDS):
                self._spawn_question(gate, [*askers, *chosen], len(chosen))
        self._set_alarm(now)

    def _choose(self, now: float, room: int) -> dict[Gate, list[LaneRow]]:
        """Take up to `room` rows from the lanes, in their turn, where their gate can be asked."""
        chosen: dict[Gate, list[LaneRow]] = {}
        while room > 0:
            found = self._next(now, chosen)
            if found is None:
                break
            lane, gate, alone = found
            if not chosen:
                self._virtual = max(self._virtual, lane.virtual)
            rows = chosen.setdefault(gate, [])
            # Without a rival there is nothing to weigh row by row.
            count = min(room, len(lane.waiting[gate]), gate.appetite - len(rows)) if alone else 1
            rows += [lane.take(gate) for _ in range(count)]
            room -= count
            lane.was_chosen(now)
        return chosen

    def _next(self, now: float, chosen: dict[Gate, list[LaneRow]]) -> tuple[Lane, Gate, bool] | None:
        """Return the lane whose turn it is, a gate that it waits for, and whether no other has anything to start."""
        able = [(lane, gate) for lane in self._lanes if (gate := _open_gate(lane, now, chosen)) is not None]
        if not able:
            return None
        top = max(lane.level(now) for lane, _ in able)
        taking_part = [(lane, gate) for lane, gate in able if lane.level(now) >= top or lane.is_boosted(now)]
        lane, gate = min(taking_part, key=lambda pair: pair[0].virtual)
        lane.virtual = max(lane.virtual, self._virtual - MOST_LAG_ROWS / lane.weight)
        return lane, gate, len(able) == 1

    def _spawn_question(self, gate: Gate, askers: list[Asker], rows: int) -> None:
        gate.is_asking = True
        self._promised += rows
        task = asyncio.get_running_loop().create_task(self._ask(gate, askers, rows))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, gate: Gate, askers: list[Asker], rows: int) -> None:
        """Ask for a permit for each of `askers`, the last `rows` of which are rows of batches; start what may start."""
        loop = asyncio.get_running_loop()
        costs = [gate.cost(asker.need) for asker in askers]
        report = gate.take_report(len(askers))
        asked_at = loop.time()
        blocked_for = max(0.0, gate.closed_until - asked_at)
        try:
            grant = await self._limiter.exchange(gate.bucket, gate.limits, report, costs, blocked_for=blocked_for)
        except RedisError as error:
            gate.put_back(report)
            gate.next_ask = loop.time() + UNREACHABLE_SECONDS
            self._tell_unreachable(error)
            grant = None
        finally:
            gate.is_asking = False
            self._promised -= rows
        if grant is None:
            _give_back(askers)
        else:
            self._unreachable_since = None
            self._use(gate, askers, costs, grant, asked_at)
        self.schedule()

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
            if delay <= SOON_SECONDS:
                self._start_all(calls)
            else:
                loop.call_at(now + delay, self._start_all, calls, context=self._context)

    def _start_all(self, calls: Sequence[tuple[Asker, Permit]]) -> None:
        now = asyncio.get_running_loop().time()
        for asker, permit in calls:
            self._start(asker, permit, now)

    def _start(self, asker: Asker, permit: Permit, now: float) -> None:
        """Start a call; one that is late for its pace, as after a freeze, asks again."""
        gate = permit.gate
        is_stopped = isinstance(asker, LaneRow) and not asker.lane.is_open
        if gate.closed_until > now or is_stopped or (permit.is_paced and now > permit.due + LATE_SECONDS):
            gate.end_unused(permit)
            asker.give_back()
            self.schedule()
        elif not isinstance(asker, LaneRow) or self.slots.take(1):
            asker.start(permit)
        else:
            self._ready.append((asker, permit))

    def _start_ready(self) -> None:
        """Start rows that have a permit and wait for a slot; let go of permits that waited too long."""
        now = asyncio.get_running_loop().time()
        for _ in range(len(self._ready)):
            row, permit = self._ready.popleft()
            if self.slots.free > 0 or (permit.is_paced and permit.due + LATE_SECONDS < now):
                self._start(row, permit, now)
            else:
                self._ready.append((row, permit))

    def _set_alarm(self, now: float) -> None:
        """Wake up when a gate may be asked again, or owes a report."""
        times = [permit.due + LATE_SECONDS for _, permit in self._ready if permit.is_paced]
        for gate in self.gates.values():
            if gate.is_asking:
                continue
            if gate.waiting:
                times.append(max(gate.next_ask, gate.closed_until))
            if gate.owes_report(now, 0.0, 0.0):
                times.append(gate.told_at + (QUIET_SECONDS if gate.owes_report(now, 0.0, 1e9) else SILENT_SECONDS))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        later = [moment for moment in times if moment > now]
        if later:
            self._alarm = asyncio.get_running_loop().call_at(min(later), self._ring, context=self._context)

    def _ring(self) -> None:
        self._alarm = None
        if self._ready:
            self._start_ready()
        self.schedule()

    def _tell_unreachable(self, error: RedisError) -> None:
        if self._unreachable_since is None:
            self._unreachable_since = time.monotonic()
            log.warning("limiter_unreachable", error=type(error).__name__)


def _open_gate(lane: Lane, now: float, chosen: dict[Gate, list[LaneRow]]) -> Gate | None:
    """Return a gate that can be asked now and for which a row of `lane` waits."""
    for gate, queue in lane.waiting.items():
        if queue and gate.may_ask(now) and len(chosen.get(gate, ())) < gate.appetite:
            return gate
    return None


def _give_back(askers: Sequence[Asker]) -> None:
    # The last first, so that they wait again in the order in which they came.
    for asker in reversed(askers):
        asker.give_back()


def _tell_limited(gate: Gate, grant: Grant) -> None:
    """Log once when calls have waited for a second, and once when none waits any more."""
    facts: dict[str, object] = {"credential": gate.bucket.credential, "model": gate.bucket.model}
    if grant.since >= TOLD_AFTER_SECONDS and not gate.is_told_limited:
        gate.is_told_limited = True
        binding = None if grant.binding is None else str(grant.binding)
        log.info("limit_reached", **facts, binding=binding, since=round(grant.since, 1))
    elif not grant.since and gate.is_told_limited:
        gate.is_told_limited = False
        log.info("limit_lifted", **facts)
