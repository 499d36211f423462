"""Whose turn it is: rows of the lanes by priority, equals by weight, where their gate can be asked."""

import time

from .gate import Gate
from .lanes import Lane, LaneRow

# Rows that a new lane starts ahead of its share.
START_CREDIT_ROWS = 8
# A lane that could not start its rows does not save up more than this many.
MOST_LAG_ROWS = 100


class Shares:
    """The lanes of a process, each with its virtual time: rows taken over weight. The least of equals is next."""

    def __init__(self) -> None:
        """Begin with no lane."""
        self._lanes: list[Lane] = []
        self._virtual = 0.0

    def __len__(self) -> int:
        return len(self._lanes)

    def add(self, lane: Lane) -> None:
        """Let `lane` take part from now on; of what was given out before it may claim a few rows.

        Others have permits for the next half second already, which it would wait for.
        """
        lane.virtual = self._virtual - START_CREDIT_ROWS / lane.weight
        self._lanes.append(lane)
        self._tell_rivals()

    def remove(self, lane: Lane) -> None:
        """Forget `lane`."""
        self._lanes.remove(lane)
        self._tell_rivals()

    def _tell_rivals(self) -> None:
        now = time.monotonic()
        for lane in self._lanes:
            lane.meet_rivals(now, is_alone=len(self._lanes) == 1)

    @property
    def has_pooled_rows(self) -> bool:
        """Whether rows wait that may go to several models."""
        return any(lane.has_pool and lane.buffered for lane in self._lanes)

    def rebalance(self, now: float) -> None:
        """Let rows of pools wait for models that are free (`now` in the loop's time)."""
        for lane in self._lanes:
            if lane.has_pool:
                lane.rebalance(now)

    def choose(self, now: float, room: int, free_slots: int) -> dict[Gate, list[LaneRow]]:
        """Take up to `room` rows from the lanes, in their turn; for one gate no more than its slots would serve."""
        chosen: dict[Gate, list[LaneRow]] = {}
        while room > 0:
            found = self._next(now, chosen, free_slots)
            if found is None:
                break
            lane, gate, alone = found
            if not chosen:
                self._virtual = max(self._virtual, lane.virtual)
            rows = chosen.setdefault(gate, [])
            # Without a rival there is nothing to weigh row by row.
            count = min(room, len(lane.waiting[gate]), _most(gate, free_slots) - len(rows)) if alone else 1
            rows += [lane.take(gate) for _ in range(count)]
            room -= count
            lane.was_chosen(now)
        return chosen

    def _next(self, now: float, chosen: dict[Gate, list[LaneRow]], free_slots: int) -> tuple[Lane, Gate, bool] | None:
        """Return the lane whose turn it is, a gate that it waits for, and whether no other has anything to start."""
        able = [(lane, gate) for lane in self._lanes if (gate := _open_gate(lane, now, chosen, free_slots))]
        if not able:
            return None
        top = max(lane.level(now) for lane, _ in able)
        taking_part = [(lane, gate) for lane, gate in able if lane.level(now) >= top or lane.is_boosted(now)]
        lane, gate = min(taking_part, key=lambda pair: pair[0].virtual)
        lane.virtual = max(lane.virtual, self._virtual - MOST_LAG_ROWS / lane.weight)
        return lane, gate, len(able) == 1


def _most(gate: Gate, free_slots: int) -> int:
    """Return how many rows to ask for: slots that rows of this gate are booked for are not booked again."""
    return min(gate.appetite, free_slots - gate.booked)


def _open_gate(lane: Lane, now: float, chosen: dict[Gate, list[LaneRow]], free_slots: int) -> Gate | None:
    """Return a gate that can be asked now and for which a row of `lane` waits."""
    for gate, queue in lane.waiting.items():
        if queue and gate.may_ask(now) and len(chosen.get(gate, ())) < _most(gate, free_slots):
            return gate
    return None
