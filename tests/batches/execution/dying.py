"""Processes that write a journal and are killed."""

import asyncio
import os
import signal
import traceback
from collections.abc import Callable

from batches.execution.journal import Journal, journal_path
from batches.execution.journal_records import JournalContent, read_journal

DEAD = "here:7:7"


def come_round(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop come round once."""
    loop.run_until_complete(asyncio.sleep(0))


def died_after(use: Callable[[Journal], object], process: str = DEAD) -> None:
    """Have a process of this name make a journal and `use` it, and kill it. Raises AssertionError where that fails."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            loop = asyncio.new_event_loop()
            use(Journal(process, loop))
            come_round(loop)
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    with os.fdopen(reader) as told:
        assert told.read() == ""


def starts(process: str) -> int:
    """Return how many runs have started by the journal of a process."""
    path = journal_path(process)
    return path.read_bytes().count(b'["s"') if path.exists() else 0


def content(process: str = DEAD) -> JournalContent:
    """Return what the journal of a process says."""
    return read_journal(journal_path(process).read_bytes())
