"""What the server counts."""

from collections import Counter
from typing import Any


class Counters:
    """Counts of calls since the start, or the last reset."""

    def __init__(self) -> None:
        """Start at zero."""
        self.received = 0
        self.completed = 0  # answered in full with 200
        self.aborted = 0  # the client went away before the answer's end
        self.refused = 0  # 429 by the server's own limits
        self.faulted = 0
        self.early_calls = 0  # received with a key whose Retry-After had not run out
        self.early_retries = 0  # the same content again before its Retry-After had run out
        self.in_flight = 0
        self.max_in_flight = 0
        self.by_key: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.by_content: Counter[str] = Counter()
        self.completed_contents: Counter[str] = Counter()

    def begin(self, key: str) -> None:
        """Count a call that was received."""
        self.received += 1
        self.by_key[key] += 1
        self.in_flight += 1
        if self.in_flight > self.max_in_flight:
            self.max_in_flight = self.in_flight

    def end(self) -> None:
        """Count a call out, however it ended."""
        self.in_flight -= 1

    def as_dict(self, *, contents: bool) -> dict[str, Any]:
        """Return the counts; those by content only with `contents`, since they may be a million."""
        counts: dict[str, Any] = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        counts["by_key"], counts["by_fault"] = dict(self.by_key), dict(self.by_fault)
        counts["distinct_contents"] = len(self.by_content)
        counts["repeated_contents"] = sum(1 for count in self.by_content.values() if count > 1)
        if contents:
            counts["by_content"] = dict(self.by_content)
            counts["completed_contents"] = dict(self.completed_contents)
        return counts
