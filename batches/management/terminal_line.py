"""One line at the bottom of a terminal that is drawn again and again, whatever size the terminal has by then."""

import os
from collections.abc import Callable
from typing import IO, Any

from rich.cells import cell_len
from rich.text import Text

_FALLBACK_WIDTH = 80
_NARROWEST = 10


def draws_on(file: IO[str]) -> bool:
    """Whether `file` is a terminal on which a line can be drawn again."""
    return file.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class TerminalLine:
    """The line. It never reaches the last column, so that no terminal wraps it."""

    def __init__(self, file: IO[Any]) -> None:
        """Draw on the terminal behind `file`."""
        self._file = file
        self._cells = 0

    def draw(self, line: Callable[[int], str]) -> None:
        """Put what `line` returns for the number of columns that there are in place of what was drawn before."""
        width = self._width()
        text = line(max(_NARROWEST, width - 1))
        self._file.write(self._erasing(width) + text)
        self._file.flush()
        self._cells = cell_len(Text.from_ansi(text).plain)

    def clear(self) -> None:
        """Take the line away; what is written next stands in its place."""
        self._file.write(self._erasing(self._width()))
        self._file.flush()
        self._cells = 0

    def leave(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self._cells:
            self._file.write("\n")
            self._file.flush()
            self._cells = 0

    def _erasing(self, width: int) -> str:
        """Return what erases the line; a terminal that was made narrower since may show it on several."""
        rows = max(1, -(-self._cells // max(1, width)))
        return (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\r\x1b[J"

    def _width(self) -> int:
        try:
            # Asked anew each time, so that nobody has to catch SIGWINCH; 0 is what a terminal without a size says.
            return os.get_terminal_size(self._file.fileno()).columns or _FALLBACK_WIDTH
        except (OSError, ValueError):
            return _FALLBACK_WIDTH
