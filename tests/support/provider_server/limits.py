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

    def slide(self, now: float, window: float) -> None:
        """Forget what has left the window that ends now."""
        events = self._events
        while events and events[0][0] <= now - window:
            self.total -= events.popleft()[1]

    def wait(self, now: float, amount: int, limit: int, window: float) -> float:
        """Return 0 when `amount` fits now, else the seconds until it does (the window where it never does)."""
        self.slide(now, window)
        surplus = self.total + amount - limit
        if surplus <= 0:
            return 0.0
        for moment, taken in self._events:
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

    @property
    def in_window(self) -> tuple[int, int]:
        """The requests and tokens that were admitted in the window which ended at the last `take`."""
        return self._requests.total, self._tokens.total

    def take(self, config: ServerConfig, tokens: int) -> float:
        """Return 0 when a call of `tokens` is allowed, which then counts, else the seconds to wait."""
        limits = (config.requests_per_window, config.tokens_per_window)
        if limits == (None, None) and not config.watch_windows:
            return 0.0
        now = time.monotonic()
        wanted = ((self._requests, 1, limits[0]), (self._tokens, tokens, limits[1]))
        wait = 0.0
        for window, amount, limit in wanted:
            if limit is not None:
                wait = max(wait, window.wait(now, amount, limit, config.window))
        if wait == 0:
            for window, amount, _ in wanted:
                window.slide(now, config.window)
                window.add(now, amount)
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
        """Return the x-ratelimit headers as OpenAI sends them; reset is when the limit will be full again."""
        if not config.rate_headers:
            return {}
        headers = {}
        for name, limit, window in (
            ("requests", config.requests_per_window, self._requests),
            ("tokens", config.tokens_per_window, self._tokens),
        ):
            if limit is not None:
                used = min(window.total, limit)
                headers[f"x-ratelimit-limit-{name}"] = str(limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(limit - used)
                headers[f"x-ratelimit-reset-{name}"] = duration_text(used * config.window / limit if limit else 0.0)
        return headers


def duration_text(seconds: float) -> str:
    """Return a duration as Go writes it and OpenAI's headers show it: `0s`, `350ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    whole = round(seconds * 1000)
    if 0 < whole < 1000:
        return f"{whole}ms"
    minutes, rest = divmod(whole, 60_000)
    text = f"{rest / 1000:g}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return text
