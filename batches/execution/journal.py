"""The journal of a process: what it knows of the runs in its hands, in a file that outlives it.

What a process was told by a provider and has not committed yet is lost with it, and would be asked and paid for again;
and of what it held, nobody else can tell what had begun. So it writes both down as it happens, and who finds the file
after its death stores the one and gives back the other (see burying). The lock on the file ends with the process,
whatever it dies of: that it is free is the proof. What is written survives the process, not the machine: nothing here
waits for a disk, and prompts are not written.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection

from .journal_records import encode_outcome, header
from .leases import Held
from .outcomes import Outcome

log = structlog.get_logger(__name__)

SUFFIX = ".journal"
# One that is being written anew, and has not taken its place.
FRESH_SUFFIX = ".new"
# The file is written anew when it has grown to this, and to so many times what was worth keeping the last time.
COMPACT_BYTES = 4 * 2**20
COMPACT_FACTOR = 2
# With nothing to keep it is emptied this soon, so that no answer lies in it for longer than it is of use.
TIDY_SECONDS = 1.0


def journal_folder() -> Path:
    """Return where the worker processes of this machine that use this database keep their journals."""
    database = connection.settings_dict
    name = "\n".join(str(database[part]) for part in ("ENGINE", "HOST", "PORT", "NAME"))
    return Path(settings.ARBORETUM_DATA_DIR) / "journals" / hashlib.sha256(name.encode()).hexdigest()[:16]


def journal_path(process: str) -> Path:
    """Return where the journal of `process` lies."""
    return journal_folder() / f"{process.replace('/', '_')}{SUFFIX}"


class Journal:
    """Used from the engine's loop alone, but for its making and closing.

    Where the disk is full or the file system knows no locks there is no journal: what the process holds when it dies
    is then run again, after its leases have run out.
    """

    def __init__(self, process: str, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the journal of `process`; `loop` is where it is used."""
        self._process = process
        self._path = journal_path(process)
        self._loop = loop
        self._waiting: set[Held] = set()
        self._ended: dict[Held, Outcome] = {}
        self._lines: list[bytes] = []
        self._is_due = False
        self._bytes = self._empty_bytes = 0
        self._compact_at = COMPACT_BYTES
        self._file: int | None = None
        self._tidying: asyncio.TimerHandle | None = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._begin_anew()
        except OSError as error:
            self._give_up(error)

    def waits(self, key: Held) -> None:
        """A run waits for its start."""
        self._waiting.add(key)
        self._write(b'["w",%d,%d]\n' % key)

    def starts(self, key: Held) -> None:
        """A run starts. It is in the file before anything else happens on the loop."""
        self._waiting.discard(key)
        self._write(b'["s",%d,%d]\n' % key)

    def ends(self, outcome: Outcome) -> None:
        """An attempt has ended, and its outcome is about to be stored."""
        with suppress(TypeError):
            # What cannot be written as JSON cannot be stored either, and is dealt with there.
            self._write(encode_outcome(outcome))
            self._ended[outcome.run.key] = outcome
            # Each moment counts: a provider has been paid for it.
            self.flush()

    @property
    def has_answers(self) -> bool:
        """Whether an outcome is not stored yet."""
        return bool(self._ended)

    def forget(self, keys: Iterable[Held]) -> None:
        """Runs are stored, or not ours any more; the file need not hold them when it is written anew."""
        for key in keys:
            self._ended.pop(key, None)
            if key in self._waiting:
                # It may be taken again, under the same number, and not wait yet.
                self.starts(key)
        if self._tidying is None and self._bytes > self._empty_bytes and not (self._waiting or self._ended):
            self._tidying = self._loop.call_later(TIDY_SECONDS, self._tidy)

    def close(self) -> None:
        """End the journal; with nothing left to store or to give back the file goes, or else others are to read it."""
        self.flush()
        if self._tidying is not None:
            self._tidying.cancel()
        if self._file is not None:
            if not (self._ended or self._waiting):
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _tidy(self) -> None:
        self._tidying = None
        if self._file is None or self._waiting or self._ended:
            return
        try:
            os.ftruncate(self._file, self._empty_bytes)
            self._bytes = self._empty_bytes
        except OSError as error:
            self._give_up(error)

    def _write(self, line: bytes) -> None:
        """Write a line when the loop comes round: before the next step of any task that begins now."""
        if self._file is None:
            return
        self._lines.append(line)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what has gathered now."""
        self._is_due = False
        lines, self._lines = self._lines, []
        if self._file is None or not lines:
            return
        try:
            self._bytes += write_whole(self._file, b"".join(lines))
            if self._bytes >= self._compact_at:
                self._begin_anew()
        except OSError as error:
            self._give_up(error)

    def _begin_anew(self) -> None:
        """Write what is still worth keeping to a new file, which takes the place of the old one when it is whole."""
        head = header(self._process)
        lines = [head, *(b'["w",%d,%d]\n' % key for key in self._waiting)]
        lines += [encode_outcome(outcome) for outcome in self._ended.values()]
        fresh = self._path.with_suffix(FRESH_SUFFIX)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._bytes = write_whole(file, b"".join(lines))
            fresh.rename(self._path)
        except OSError:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            os.close(file)
            raise
        if self._file is not None:
            os.close(self._file)
        self._file, self._empty_bytes = file, len(head)
        self._compact_at = max(COMPACT_BYTES, COMPACT_FACTOR * self._bytes)

    def _give_up(self, error: OSError) -> None:
        """Go on without. A file that lacks anything must not be believed, so it goes.

        One that cannot be removed stays open: its lock says that this process lives.
        """
        log.warning("journal_lost", process=self._process, error=type(error).__name__, reason=error.strerror)
        file, self._file, self._lines = self._file, None, []
        if file is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return
        os.close(file)


def write_whole(file: int, data: bytes) -> int:
    """Write all of `data` to a file and return its length. Raises OSError where not all of it could be written."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    return len(data)
