"""The ability `now`: models do not know what time it is."""

from datetime import datetime
from zoneinfo import ZoneInfo

from workers.errors import InvalidInput

from .registry import ability


@ability
def now(time_zone: str = "UTC") -> str:
    """Return the current date and time, with the day of the week.

    Args:
        time_zone: Name from the IANA time zone database, such as Europe/Berlin or UTC.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ValueError, OSError, KeyError):
        raise InvalidInput(f"no time zone {time_zone[:100]!r}; use a name such as Europe/Berlin or UTC") from None
    moment = datetime.now(zone)
    return f"{moment.isoformat(timespec='seconds')} ({moment:%A})"
