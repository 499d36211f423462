"""The time within which a batch of requests is to be done: `24h`, or another number of s, m, h or d."""

import re
from datetime import timedelta

from workers.errors import InvalidInput

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)
_WINDOW = re.compile(r"([1-9][0-9]{0,6})([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def window_of(text: object) -> timedelta:
    """Return the time that `text` stands for. Raises InvalidInput."""
    found = _WINDOW.match(text) if isinstance(text, str) else None
    window = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not SHORTEST <= window <= LONGEST:
        raise InvalidInput("completion_window must be 24h, or another time from 60s to 30d, as <number>s, m, h or d.")
    return window
