"""What a provider tells of its limits in the headers of an answer.

Names and forms are OpenAI's, which compatible servers copy: https://platform.openai.com/docs/guides/rate-limits. The
headers say how much is allowed but not for how long: the period follows from how fast the limit fills up again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MINUTE = 60.0
# A server with fixed windows tells the end of the window, so that what is inferred for a minute is anything near it. A
# shorter period is one of seconds and is scaled; a longer one is no limit per minute: it is one per day, mostly.
SHORTEST_MINUTE = 15.0
LONGEST_MINUTE = 240.0
# More is no limit to speak of, and would not fit the columns of 31 bits.
MOST_PER_MINUTE = 2_000_000_000

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_PIECE = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_LONGEST_TEXT = 40


@dataclass(frozen=True, slots=True)
class ToldLimits:
    """Limits as a provider tells them; 0: not told, or not per minute.

    `remaining_tokens` is what is left of the tokens per minute, as a share from 0 to 1; None where it is not told.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    remaining_tokens: float | None = None


_NOTHING = ToldLimits()


def told_limits(headers: Mapping[str, str]) -> ToldLimits:
    """Return what `headers` (names in lower case, or of any case in a mapping that ignores it) tell.

    Values that are no numbers, negative or beyond reason count as not told; nothing is raised.
    """
    has_requests = "x-ratelimit-limit-requests" in headers
    has_tokens = "x-ratelimit-limit-tokens" in headers
    if not has_requests and not has_tokens:
        return _NOTHING
    requests, _ = _limit(headers, "requests") if has_requests else (0, None)
    tokens, share = _limit(headers, "tokens") if has_tokens else (0, None)
    return ToldLimits(requests, tokens, share)


def rate_limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of `headers` that tell limits, names in lower case: servers write them as they like."""
    return {name.lower(): value for name, value in headers.items() if name[:12].lower() == "x-ratelimit-"}


def _limit(headers: Mapping[str, str], kind: str) -> tuple[int, float | None]:
    """Return the limit per minute and the share of it that is left."""
    limit = _number(headers[f"x-ratelimit-limit-{kind}"])
    if not limit:
        return 0, None
    remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}", ""))
    reset = duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
    period = _period(limit, remaining, reset)
    per_minute = limit * MINUTE / period
    if period > LONGEST_MINUTE or per_minute > MOST_PER_MINUTE:
        return 0, None
    return max(int(per_minute), 1), None if remaining is None else min(remaining / limit, 1.0)


def _period(limit: float, remaining: float | None, reset: tuple[float, float] | None) -> float:
    """Return the seconds that `limit` stands for: a minute where nothing clearly tells otherwise."""
    if reset is None:
        return MINUTE
    seconds, rounding = reset
    used = limit - (limit if remaining is None else remaining)
    if used <= 0:
        return seconds if seconds > LONGEST_MINUTE else MINUTE
    # A small share used fills up in so short a time that its rounding hides the period.
    if (seconds - rounding) * limit / used <= MINUTE <= (seconds + rounding) * limit / used:
        return MINUTE
    period = seconds * limit / used
    return MINUTE if not period or SHORTEST_MINUTE <= period <= LONGEST_MINUTE else period


def duration(text: str) -> tuple[float, float] | None:
    """Return the seconds of a text like `6m0s`, `20ms`, `1h2m` or `7.5`, and those that its last digit stands for.

    None where it is no duration.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    if _NUMBER.fullmatch(text):
        text += "s"
    seconds, rounding, at = 0.0, 0.0, 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            return None
        whole, part, unit = piece.groups(default="")
        seconds += float(f"{whole}.{part}") * _UNITS[unit]
        rounding = _UNITS[unit] * 10.0 ** -len(part)
        at = piece.end()
    return (seconds, rounding) if at else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None
