"""A lane: the rows of one batch that this process has taken and not started, and its turn among other batches."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from .gate import Gate
from .permits import Need, Permit
from .prepared import PreparedRun

# A batch that was passed over this long counts as one priority higher, and so on.
AGING_SECONDS = 60.0
# ... and then takes part among those for this long.
BOOST_SECONDS = 5.0
# Rows kept ready beyond the free slots: what starts in this time.
READ_AHEAD_SECONDS = 0.15
LIMITED_READ_AHEAD_SECONDS = 1.0
LEAST_READ_AHEAD = 4
# The rate of starts is a mean over about this time.
RATE_SECONDS = 2.0
MOST_READ_AHEAD = 500
# Rows of one lane that wait, whatever for.
MOST_BUFFERED = 1500


class LaneRow:
    """A row that waits in its lane for a permit."""

    __slots__ = ("gate", "gates", "lane", "need", "prepared")

    def __init__(self, lane: "Lane", prepared: PreparedRun, gates: Sequence[Gate]) -> None:
        """`prepared` waits in `lane` for a permit of the first of `gates`; the others are those of its pool."""
        self.lane = lane
        self.gate = gates[0]
        self.gates = gates
        self.prepared = prepared
        self.need: Need = prepared.need

    def start(self, permit: Permit) -> None:
        """Run the row."""
        self.lane.started(self, permit)

    def give_back(self) -> None:
        """Wait again, first in the lane."""
        self.lane.put_back(self)


class Lane:
    """Used from the engine's loop alone. Rows for different models wait apart, so that one never blocks another."""

    def __init__(self, batch_id: int, on_start: Callable[[PreparedRun, Permit], None]) -> None:
        """Hold rows of `batch_id`; `on_start` runs one that has its permit and slot."""
        self.batch_id = batch_id
        self.priority = 1
        self.weight = 1
        self.virtual = 0.0
        self.buffered = 0
        # Taken to ask for their permit, or waiting for its time; and those of them that are not ours any more.
        self._away: set[tuple[int, int]] = set()
        self._gone: set[tuple[int, int]] = set()
        self.waiting: dict[Gate, deque[LaneRow]] = {}
        self.is_open = True
        self.is_alone = False
        # Nothing more is to be had from the database: from now on rows are taken for free slots alone.
        self.is_ending = False
        # Its rows may have different models, so that those of a full one are left out when more are taken.
        self.is_mixed = False
        # Its rows may go to several models each.
        self.has_pool = False
        self.on_hunger: Callable[[], None] = lambda: None
        self._on_start = on_start
        self._on_late: Callable[[PreparedRun], None] = lambda prepared: None
        self._passed_over_since = self._rate_since = time.monotonic()
        self._boosted_until = 0.0
        self._starts = 0
        self._rate = 0.0

    def add(self, prepared: PreparedRun, gates: Sequence[Gate]) -> None:
        """Let a row wait for a permit of the first of `gates`, the others of which may serve as well."""
        if not self.buffered:
            # Without rows nobody passed it over.
            self._passed_over_since = max(self._passed_over_since, time.monotonic() - AGING_SECONDS / 2)
        row = LaneRow(self, prepared, gates)
        self._queue(row.gate).append(row)
        self._count(row.gate, 1)
        if len(gates) > 1:
            self.has_pool = True

    def take(self, gate: Gate) -> LaneRow:
        """Take the first row that waits for `gate`, to ask for its permit."""
        row = self._queue(gate).popleft()
        self._count(gate, -1)
        self._away.add(row.prepared.key)
        self.virtual += 1 / self.weight
        return row

    def rebalance(self, now: float) -> None:
        """Let rows of pools whose model is held back at `now` (the loop's time) wait for one that takes more."""
        for gate, queue in list(self.waiting.items()):
            if queue and (surplus := gate.surplus(now)):
                self._relieve(gate, queue, min(surplus, len(queue)), now)

    def _relieve(self, gate: Gate, queue: deque[LaneRow], surplus: int, now: float) -> None:
        """Let the last `surplus` rows of a gate's queue wait elsewhere, as far as other gates take more."""
        # Where one finds none, neither does another with the same gates: each look at all of them costs.
        stuck: set[frozenset[Gate]] = set()
        for row in [queue.pop() for _ in range(surplus)][::-1]:
            gates = frozenset(row.gates)
            better = gate if gates in stuck else _better_gate(row, now)
            if better is gate:
                stuck.add(gates)
                queue.append(row)
                continue
            self._count(gate, -1)
            row.gate = better
            self._queue(better).append(row)
            self._count(better, 1)

    def put_back(self, row: LaneRow) -> None:
        """Take `row` back, first in its queue but for rows before it in the input: it got no permit."""
        self._away.discard(row.prepared.key)
        if self._is_gone(row):
            return
        if not self.is_open:
            self._on_late(row.prepared)
            return
        queue, before = self._queue(row.gate), []
        while queue and queue[0].prepared.run.id < row.prepared.run.id:
            before.append(queue.popleft())
        queue.extendleft([row, *reversed(before)])
        self._count(row.gate, 1)
        self.virtual -= 1 / self.weight

    def started(self, row: LaneRow, permit: Permit) -> None:
        """Start `row`."""
        self._away.discard(row.prepared.key)
        self._starts += 1
        self._on_start(row.prepared, permit)

    def close(self, on_late: Callable[[PreparedRun], None]) -> list[PreparedRun]:
        """Start nothing more; return the rows that wait. `on_late` is given those that come back later."""
        self.is_open = False
        self._on_late = on_late
        rows = [row.prepared for queue in self.waiting.values() for row in queue]
        for gate, queue in self.waiting.items():
            self._count(gate, -len(queue))
            queue.clear()
        return rows

    @property
    def held(self) -> int:
        """How many rows are here and have not started."""
        return self.buffered + len(self._away)

    def may_start(self, row: LaneRow) -> bool:
        """Whether `row` may start: the lane is open, and the row still ours."""
        return self.is_open and row.prepared.key not in self._gone

    def drop(self, keys: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Forget rows (id, attempt) that are not ours any more; return those that were here and had not started."""
        gone, dropped = set(keys), []
        for gate, queue in self.waiting.items():
            kept = deque(row for row in queue if row.prepared.key not in gone)
            dropped += [row.prepared.key for row in queue if row.prepared.key in gone]
            self._count(gate, len(kept) - len(queue))
            self.waiting[gate] = kept
        away = self._away & gone
        self._gone |= away
        return [*dropped, *away]

    def _is_gone(self, row: LaneRow) -> bool:
        if row.prepared.key not in self._gone:
            return False
        self._gone.discard(row.prepared.key)
        return True

    def room(self, free_slots: int, *, has_rivals: bool = False) -> int:
        """Return how many more rows to take from the database: what can start soon; 0 while few are missing.

        With rivals some wait for their turn at a slot, however few are left.
        """
        self._measure()
        now = time.monotonic()
        limited = self.is_limited and not self.is_mixed
        # Of other models there may be rows that could start.
        buffered = self._startable(now) if self.is_mixed else self.buffered
        if self.buffered >= MOST_BUFFERED:
            return 0
        if self.is_ending and not limited:
            return max(0, max(free_slots, LEAST_READ_AHEAD if has_rivals else 0) - buffered)
        ahead = self._ahead(LIMITED_READ_AHEAD_SECONDS if limited else READ_AHEAD_SECONDS)
        missing = ahead + (0 if limited else free_slots) - buffered
        return missing if missing >= ahead / 2 else 0

    def full_versions(self) -> set[int]:
        """Return the agent versions of which enough rows wait for a limit; empty where all rows have one version."""
        if not self.is_mixed:
            return set()
        now, enough = time.monotonic(), self._ahead(LIMITED_READ_AHEAD_SECONDS)
        full = [queue for gate, queue in self.waiting.items() if gate.is_held_back(now) and len(queue) >= enough]
        return {row.prepared.run.version_id for queue in full for row in queue}

    def first_versions(self) -> set[int]:
        """Return the version of the first row of each queue."""
        return {queue[0].prepared.run.version_id for queue in self.waiting.values() if queue}

    def _startable(self, now: float) -> int:
        return sum(len(queue) for gate, queue in self.waiting.items() if not gate.is_held_back(now))

    def _ahead(self, seconds: float) -> int:
        return min(MOST_READ_AHEAD, max(LEAST_READ_AHEAD, round(self._rate * seconds)))

    @property
    def is_limited(self) -> bool:
        """Whether a limit, and not the number of slots, keeps rows waiting."""
        now = time.monotonic()
        if self.has_pool and any(not gate.is_held_back(now) for gate in self.waiting):
            return False
        return any(gate.is_held_back(now) for gate, queue in self.waiting.items() if queue or gate.is_in_use)

    def take_surplus(self, free_slots: int) -> list[PreparedRun]:
        """Take out the last rows beyond what free slots can start: other processes may have slots for them."""
        surplus: list[PreparedRun] = []
        if not self.is_limited:
            for gate, queue in self.waiting.items():
                while queue and self.buffered > max(0, free_slots):
                    surplus.append(queue.pop().prepared)
                    self._count(gate, -1)
        return surplus

    def level(self, now: float) -> int:
        """Return the priority at which the lane takes part now: its own, and one more for each time of aging.

        Nobody passes over a lane without rivals, however long its own calls take all slots.
        """
        return self.priority + (0 if self.is_alone else int((now - self._passed_over_since) / AGING_SECONDS))

    def meet_rivals(self, now: float, *, is_alone: bool) -> None:
        """Take note whether other lanes take part from `now` on."""
        if self.is_alone:
            self._passed_over_since = now
        self.is_alone = is_alone

    def hold(self, now: float) -> int:
        """Return the priority with which it keeps its place; what limits keep waiting is not passed over by anybody."""
        return self.priority if self.is_limited else self.level(now)

    def is_boosted(self, now: float) -> bool:
        """Whether the lane, which came to its turn by waiting, takes part among whoever is first."""
        return now < self._boosted_until

    def boost(self, now: float) -> None:
        """Let the lane take part among whoever is first for BOOST_SECONDS: it has waited long."""
        self._boosted_until = now + BOOST_SECONDS

    def was_chosen(self, now: float) -> None:
        """Remember that the lane had its turn; one that came by waiting lasts BOOST_SECONDS."""
        if not self.is_alone and now >= self._boosted_until and now - self._passed_over_since >= AGING_SECONDS:
            self.boost(now)
        self._passed_over_since = now

    def _queue(self, gate: Gate) -> deque[LaneRow]:
        queue = self.waiting.get(gate)
        if queue is None:
            queue = self.waiting[gate] = deque()
        return queue

    def _count(self, gate: Gate, number: int) -> None:
        self.buffered += number
        gate.rows_waiting += number
        if number < 0:
            self.on_hunger()

    def _measure(self) -> None:
        """Follow how many rows start a second."""
        now = time.monotonic()
        passed = now - self._rate_since
        if passed >= 0.25:
            share = min(1.0, passed / RATE_SECONDS)
            self._rate += share * (self._starts / passed - self._rate)
            self._starts, self._rate_since = 0, now


def _better_gate(row: LaneRow, now: float) -> Gate:
    """Return the gate of the row's pool that takes more and has fewest rows waiting; its own where none does."""
    others = [gate for gate in row.gates if gate is not row.gate and gate.takes_more(now)]
    return min(others, key=lambda gate: gate.rows_waiting, default=row.gate)
