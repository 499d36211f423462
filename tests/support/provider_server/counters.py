"""What the server counts."""

import time
from collections import Counter
from typing import Any


class Counters:
    """Counts of calls since the start, or the last reset."""

    def __init__(self) -> None:
        """Start at zero."""
        self.received = 0
        self.completed = 0  # answered in full with 200
        self.aborted = 0  # the client went away before the answer's end
        self.unread = 0  # answered, and the connection was reset: the client was gone before it read the answer
        self.refused = 0  # 429 by the server's own limits
        self.faulted = 0
        self.overloaded = 0  # 503 because of `overload_above`
        self.early_calls = 0  # received with a key whose Retry-After had not run out
        self.early_retries = 0  # the same content again before its Retry-After had run out
        self.in_flight = 0
        self.max_in_flight = 0
        self.max_in_window_requests = 0  # the most that one key was admitted within any sliding window
        self.max_in_window_tokens = 0
        self.last_received_at = 0.0  # Unix time
        self.admitted = 0  # neither overloaded nor refused
        self.admitted_tokens = 0
        self.admitted_per_second: list[int] = []  # since the first admission
        self.admitted_tokens_per_second: list[int] = []
        self._first_admission = 0.0  # monotonic
        self.by_key: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.by_content: Counter[str] = Counter()
        self.completed_contents: Counter[str] = Counter()

    def begin(self, key: str) -> None:
        """Count a call that was received."""
        self.received += 1
        self.last_received_at = time.time()
        self.by_key[key] += 1
        self.in_flight += 1
        if self.in_flight > self.max_in_flight:
            self.max_in_flight = self.in_flight

    def admit(self, tokens: int) -> None:
        """Count a call that was admitted and charged `tokens`."""
        now = time.monotonic()
        if not self.admitted_per_second:
            self._first_admission = now
        second = int(now - self._first_admission)
        for timeline in (self.admitted_per_second, self.admitted_tokens_per_second):
            timeline.extend([0] * (second + 1 - len(timeline)))
        self.admitted += 1
        self.admitted_tokens += tokens
        self.admitted_per_second[second] += 1
        self.admitted_tokens_per_second[second] += tokens

    def note_windows(self, requests: int, tokens: int) -> None:
        """Note what one key was admitted within the window that ends now."""
        self.max_in_window_requests = max(self.max_in_window_requests, requests)
        self.max_in_window_tokens = max(self.max_in_window_tokens, tokens)

    def end(self) -> None:
        """Count a call out, however it ended."""
        self.in_flight -= 1

    def as_dict(self, *, contents: bool) -> dict[str, Any]:
        """Return the counts; those by content only with `contents`, since they may be a million."""
        counts: dict[str, Any] = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, int | float) and not name.startswith("_")
        }
        for timeline in ("admitted_per_second", "admitted_tokens_per_second"):
            counts[timeline] = list(getattr(self, timeline))
        counts["by_key"], counts["by_fault"] = dict(self.by_key), dict(self.by_fault)
        counts["distinct_contents"] = len(self.by_content)
        counts["repeated_contents"] = sum(1 for count in self.by_content.values() if count > 1)
        if contents:
            counts["by_content"] = dict(self.by_content)
            counts["completed_contents"] = dict(self.completed_contents)
        return counts
