"""Rows that ask what another row is asking just now: they wait for its answer in place of paying for their own."""

from collections.abc import Collection

from .leases import Held
from .prepared import PreparedRun

# So many rows may wait for others; until they are fewer no more are taken.
MOST_WAITING = 1000


class Twins:
    """The rows of one lease loop whose agents use stored answers. Used from the engine's loop alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._asking: dict[str, int] = {}
        self._key_of: dict[int, str] = {}
        self._waiting: dict[str, list[PreparedRun]] = {}
        self.waiting = 0

    def must_wait(self, prepared: PreparedRun) -> bool:
        """Tell whether another row asks the same; else `prepared` is who asks, until `ended` is told of it."""
        keys = prepared.first_keys
        if not keys:
            return False
        if keys[0] in self._asking:
            self._waiting.setdefault(keys[0], []).append(prepared)
            self.waiting += 1
            return True
        self._asking[keys[0]] = prepared.run.id
        self._key_of[prepared.run.id] = keys[0]
        return False

    def ended(self, run_id: int) -> list[PreparedRun]:
        """Return the rows that waited for run `run_id`, which has ended, well or not, or is not ours any more."""
        key = self._key_of.pop(run_id, None)
        if key is None:
            return []
        del self._asking[key]
        rows = self._waiting.pop(key, [])
        self.waiting -= len(rows)
        return rows

    def drop(self, keys: Collection[Held]) -> list[Held]:
        """Forget waiting rows (id, attempt) that are not ours any more; return those that were here."""
        gone, dropped = set(keys), []
        for key, rows in self._waiting.items():
            dropped += [row.key for row in rows if row.key in gone]
            self._waiting[key] = [row for row in rows if row.key not in gone]
        self.waiting -= len(dropped)
        return dropped

    def take_all(self) -> list[PreparedRun]:
        """Take out the rows that wait: they are given back."""
        rows = [row for rows in self._waiting.values() for row in rows]
        self._waiting.clear()
        self.waiting = 0
        return rows
