"""Locks on files, which the kernel gives back when their holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """A lock on a file between processes (flock(2)): shared by many holders, or exclusive to one."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when the lock is first taken."""
        self.path = path
        self._descriptor: int | None = None

    def share(self) -> None:
        """Hold the lock together with others. Waits while somebody holds it alone."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Hold the lock alone; on False others hold it, and this process keeps no hold either."""
        try:
            fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def sign(self) -> None:
        """Write this process' id into the file, for others to read in `holder`; call it with the lock held alone."""
        self.path.write_text(f"{os.getpid()}\n")

    def holder(self) -> str:
        """Return what the last `sign` wrote; empty where the file is missing or nobody signed."""
        try:
            return self.path.read_text().strip()
        except OSError:
            return ""

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock alone for the length of a block. Waits for the others."""
        fcntl.flock(self._open(), fcntl.LOCK_EX)
        try:
            yield
        finally:
            self.release()

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor
