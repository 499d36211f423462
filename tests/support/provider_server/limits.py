"""Strict limits over a sliding window, and who was told to wait."""

import time
from collections import deque

from .config import ServerConfig


class SlidingWindow:
    """At most `limit` within any `window` seconds."""

    def __init__(self) -> None:
        """Begin empty."""
        self._events: deque[tuple[float, int]] = deque()
        self.total = 0

    def wait(self, now: float, amount: int, limit: int, window: float) -> float:
        """Return 0 when `amount` fits now, else the seconds until it does (the window where it never does)."""
        events = self._events
        while events and events[0][0] <= now - window:
            self.total -= events.popleft()[1]
        surplus = self.total + amount - limit
        if surplus <= 0:
            return 0.0
        for moment, taken in events:
            surplus -= taken
            if surplus <= 0:
                return moment + window - now
        return window

    def add(self, now: float, amount: int) -> None:
        """Take `amount`."""
        self._events.append((now, amount))
        self.total += amount


class KeyLimits:
    """The limits of one key."""

    def __init__(self) -> None:
        """Begin with empty windows, told to wait for nothing."""
        self._requests = SlidingWindow()
        self._tokens = SlidingWindow()
        self._told_at = self._wait_until = 0.0

    def take(self, config: ServerConfig, tokens: int) -> float:
        """Return 0 when a call of `tokens` is allowed, which then counts, else the seconds to wait."""
        if config.requests_per_window is None and config.tokens_per_window is None:
            return 0.0
        now = time.monotonic()
        wait = 0.0
        if config.requests_per_window is not None:
            wait = self._requests.wait(now, 1, config.requests_per_window, config.window)
        if config.tokens_per_window is not None:
            wait = max(wait, self._tokens.wait(now, tokens, config.tokens_per_window, config.window))
        if wait == 0:
            self._requests.add(now, 1)
            self._tokens.add(now, tokens)
        return wait

    def tell(self, seconds: float) -> None:
        """Note that the key was told to wait."""
        self._told_at = time.monotonic()
        self._wait_until = max(self._wait_until, self._told_at + seconds)

    def is_early(self, grace: float) -> bool:
        """Tell whether a call now comes before the wait is over, and too late to have been on its way."""
        now = time.monotonic()
        return self._told_at + grace < now < self._wait_until

    def headers(self, config: ServerConfig) -> dict[str, str]:
        """Return the x-ratelimit headers as OpenAI sends them."""
        headers = {}
        for name, limit, window in (
            ("requests", config.requests_per_window, self._requests),
            ("tokens", config.tokens_per_window, self._tokens),
        ):
            if limit is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(max(limit - window.total, 0))
        return headers
