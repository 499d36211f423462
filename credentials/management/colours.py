"""Colours: on a terminal alone, unless the reader says otherwise.

`NO_COLOR` (https://no-color.org) turns them off, `FORCE_COLOR` (https://force-color.org) on, where they are not empty;
of both the first counts.
"""

import os
from typing import Any

# SGR parameters (ECMA-48, 8.3.117): the eight colours that every terminal has, as its user has set them.
BOLD, FAINT, RED, GREEN, YELLOW, BLUE, CYAN = "1", "2", "31", "32", "33", "34", "36"
# The colours of `batches.states.Tone`.
TONES = {"running": BLUE, "waiting": CYAN, "good": GREEN, "bad": RED, "paused": YELLOW, "muted": FAINT}


class Coloured(str):
    """A text that is safe to print as it is: what came from outside was made printable before it was coloured."""

    __slots__ = ()


def wants_colour(stream: Any) -> bool:
    """Whether colours go to `stream`."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def painted(text: str, colour: str | None) -> str:
    """Return `text` in a colour; as it is where there is none."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and text else text


def is_utf8(stream: Any) -> bool:
    """Whether `stream` takes any character; one without an encoding is no file, and does."""
    encoding = getattr(stream, "encoding", None)
    return encoding is None or encoding.lower().replace("-", "") in ("utf8", "utf8sig")
