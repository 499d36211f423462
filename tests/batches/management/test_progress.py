"""The progress of a batch on terminals of all sizes, in pipes, and where there is no UTF-8."""

import io
import os
import pty
import re
import termios
from collections.abc import Iterator
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console

from batches.management import progress
from batches.management.progress import ProgressDisplay
from batches.management.progress_line import ProgressState, duration, progress_line
from batches.models import Batch
from batches.states import BatchState

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def make(name: str = "tickets", **fields: object) -> Batch:
    facts = {"total": 10_000, "succeeded": 4_000, "failed": 1_000, "cost": Decimal("1.25"), "state": BatchState.RUNNING}
    return Batch(pk=1, name=name, **{**facts, **fields})


class Terminal:
    """A terminal of some size, and what was written on it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._own, other = pty.openpty()
        self.file = os.fdopen(other, "w", encoding=encoding, errors="backslashreplace")

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._own, (24, columns))

    def read(self) -> str:
        self.file.flush()
        os.set_blocking(self._own, False)
        shown = b""
        while True:
            try:
                shown += os.read(self._own, 65536)
            except BlockingIOError:
                return shown.decode()

    def close(self) -> None:
        self.file.close()
        os.close(self._own)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    found = Terminal()
    yield found
    found.close()


def drawn(text: str) -> list[str]:
    """Return the lines that were drawn, one over the other, without colours."""
    return [ESCAPES.sub("", line).rstrip("\r\n") for line in text.split("\r\x1b[J")[1:]]


@pytest.mark.parametrize("columns", [1, 12, 20, 30, 40, 60, 80, 120, 300])
@pytest.mark.parametrize("name", ["tickets", "a" * 300, "日本語" * 20, "x\x1b[31m\ny"])
def test_no_line_is_as_wide_as_the_terminal(terminal: Terminal, columns: int, name: str) -> None:
    terminal.resize(columns)
    with ProgressDisplay(Console(file=terminal.file)) as display:
        display.show(make(name))
        display.show(make(name, succeeded=5_000))
    lines = drawn(terminal.read())
    assert len(lines) == 2
    assert all(cell_len(line) < max(columns, 11) for line in lines)
    assert "\n" not in "".join(lines)


@pytest.mark.parametrize("width", range(5, 130))
def test_a_line_fits_into_any_width_and_always_says_how_far_it_is(width: int) -> None:
    for utf8 in (True, False):
        line = progress_line(ProgressState(make("日本" * 9), 12.0, utf8), width)
        assert cell_len(line) <= width
        assert "5,000/10,000" in line or "50%" in line


def test_what_matters_least_goes_first() -> None:
    state = ProgressState(make(state=BatchState.PAUSED), 20.0)
    lost = []
    for width in range(130, 10, -1):
        line = progress_line(state, width)
        gone = [fact for fact in ("tickets", "rows/s", "$", "left", "failed", "paused", "━") if fact not in line]
        lost += [fact for fact in gone if fact not in lost]
    assert lost == ["tickets", "rows/s", "$", "left", "failed", "paused", "━"]


def test_thirty_columns_hold_a_bar_and_the_count() -> None:
    assert progress_line(ProgressState(make(), 20.0), 29) == "━━━━━━━━──────── 5,000/10,000"


def test_a_terminal_that_is_made_narrower_is_cleared_of_what_it_wrapped(terminal: Terminal) -> None:
    with ProgressDisplay(Console(file=terminal.file)) as display:
        terminal.resize(100)
        display.show(make())
        terminal.read()
        terminal.resize(30)
        display.show(make())
        shown = terminal.read()
        assert re.match(r"\x1b\[[23]A\r\x1b\[J", shown)
        assert cell_len(drawn(shown)[0]) < 30
        terminal.resize(100)
        display.show(make())
        assert cell_len(drawn(terminal.read())[0]) > 30


def test_a_remark_stands_above_the_line(terminal: Terminal) -> None:
    terminal.resize(80)
    with ProgressDisplay(Console(file=terminal.file)) as display:
        display.show(make())
        display.say("Waiting.")
        display.show(make())
    shown = terminal.read()
    assert "\r\x1b[JWaiting." in shown
    assert shown.endswith("\r\n")


def test_without_utf8_the_line_is_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "vt100")
    terminal = Terminal("ascii")
    terminal.resize(80)
    with ProgressDisplay(Console(file=terminal.file)) as display:
        display.show(make("größer"))
    line = drawn(terminal.read())[0]
    terminal.close()
    assert line.isascii()
    assert "##" in line
    assert "\\" not in line


def test_colours_show_on_a_terminal_and_not_where_they_are_not_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.resize(80)
    display = ProgressDisplay(Console(file=terminal.file))
    display.show(make())
    coloured = terminal.read()
    assert "\x1b[32m━" in coloured
    assert "\x1b[31m━" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    display.show(make())
    assert "m━" not in terminal.read()


@pytest.mark.parametrize("forced", ["", "1"])
def test_a_pipe_and_a_dumb_terminal_get_plain_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    monkeypatch.setenv("TERM", "dumb")
    for file, read in ((terminal.file, terminal.read), (pipe := io.StringIO(), lambda: pipe.getvalue())):
        with ProgressDisplay(Console(file=file)) as display:
            display.show(make())
            display.show(make(succeeded=9_000))
        lines = read().replace("\r", "").splitlines()
        assert [line.split(" · ")[0] for line in lines] == ["5,000/10,000 done", "10,000/10,000 done"]
        assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (80, "1 m 20 s"), (7_500, "2 h 5 m")])
def test_times_are_told_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text
