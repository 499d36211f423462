"""How figures, times and JSON are written for people."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

LONGEST_LINE = 160
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def grouped(number: float | None) -> str:
    """Return a whole number with its thousands grouped; a dash for None."""
    return "–" if number is None else f"{round(number):,}"


def money(amount: Decimal | None) -> str:
    """Return US dollars: to the cent from a dollar on, below it with the places that say something."""
    if amount is None:
        return "–"
    if amount == 0:
        return "$0"
    if abs(amount) < Decimal("0.000001"):
        return "< $0.000001"
    if abs(amount) >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if abs(amount) >= Decimal("0.01") else f"${amount:.6f}"


def duration(seconds: float | None) -> str:
    """Return a length of time in the two largest units that matter, e.g. `1 m 20 s`, `340 ms`."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{round(seconds)} s"
    rest = round(seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        if rest >= size or parts:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join([*parts, f"{rest} s"][:2])


def since(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, in one unit; in days' distance and beyond the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 5:
        return "just now"
    if seconds >= 7 * 86_400:
        return f"{moment:%Y-%m-%d}"
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def pretty_json(value: Any) -> str:
    """Return `value` (or JSON text, or text that is no JSON as it is) indented, for reading."""
    # Not orjson: an integer beyond 64 bits would lose its last digits.
    try:
        return json.dumps(json.loads(value) if isinstance(value, str) else value, indent=2, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"
    except ValueError:
        return str(value)


def brief_json(value: Any) -> str:
    """Return `value` on one line where it is short, else as `pretty_json` does."""
    pretty = pretty_json(value)
    one_line = " ".join(line.strip() for line in pretty.splitlines())
    return one_line if len(one_line) <= LONGEST_LINE else pretty
