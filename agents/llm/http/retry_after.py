"""How long a server asks to wait."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 86_400.0


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the headers tell, from 0 to a day; None where they tell none.

    `retry-after-ms` is OpenAI's and Azure's; `Retry-After` is seconds or an HTTP date (RFC 9110, 10.2.3).
    """
    seconds = _seconds(headers.get("retry-after-ms", ""), 1e-3)
    if seconds is None:
        value = headers.get("retry-after", "")
        seconds = _seconds(value, 1.0)
        if seconds is None:
            seconds = _until(value)
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _seconds(value: str, unit: float) -> float | None:
    try:
        number = float(value) * unit
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
