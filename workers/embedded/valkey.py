"""The embedded Valkey: started by the first process that needs it, joined by the others, kept by none.

The server is a daemon of its own, on a Unix socket in a private folder. Who uses it shares a lock on `users.lock`;
who wants to stop it takes that lock alone, which succeeds only when nobody else uses the server.
"""

import contextlib
import os
import stat
import threading
import time
from pathlib import Path

from django.conf import settings

from workers.errors import ServerUnavailable

from .locks import FileLock
from .paths import valkey_socket
from .server import ServerState, ValkeyServer

START_SECONDS = 60.0
FROZEN_SECONDS = 10.0


def private_folder(path: Path) -> Path:
    """Make `path` a folder that only this user can enter, and return it. Raises ServerUnavailable if it is not ours.

    The folder may lie in a temporary directory that all share, where somebody else could have made it before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ServerUnavailable(f"{path} must be a folder of the user with id {os.getuid()}; remove it.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


class EmbeddedValkey:
    """The embedded server of one data directory, as this process sees it."""

    def __init__(self, data_dir: Path) -> None:
        """Name the data directory; nothing is made or started yet."""
        folder = data_dir / "valkey"
        self.server = ValkeyServer(folder, valkey_socket(data_dir))
        self.started_here = False
        self._users = FileLock(folder / "users.lock")
        self._start = FileLock(folder / "start.lock")
        self._guard = threading.Lock()
        self._pid: int | None = None

    def ensure(self) -> None:
        """Be a user of the running server; start it where it does not run. Raises ServerUnavailable."""
        with self._guard:
            if self._pid != os.getpid():
                self._join()
            if self.server.state() is not ServerState.READY:
                with self._start.alone():
                    self._bring_up()

    def stop_if_mine(self) -> bool:
        """Cease to be a user; stop the server if this process started it and nobody else uses it.

        Returns whether the server was stopped.
        """
        with self._guard:
            if self._pid != os.getpid():
                return False
            self._pid = None
            mine, self.started_here = self.started_here, False
            if not mine or not self._users.try_alone():
                self._users.release()
                return False
            try:
                return self.server.stop()
            finally:
                self._users.release()

    def stop(self) -> bool:
        """Stop the server whoever uses it. Returns whether one ran. Raises ServerUnavailable if it can't be stopped."""
        if not self.server.folder.is_dir():
            return False
        with self._guard, self._start.alone():
            self._users.release()
            self._pid, self.started_here = None, False
            return self.server.stop()

    def _join(self) -> None:
        private_folder(self.server.folder)
        private_folder(self.server.socket_path.parent)
        if self._pid is not None:
            # A fork shares its parent's hold on the lock; a hold of its own outlives the parent's.
            self._users = FileLock(self._users.path)
            self.started_here = False
        self._users.share()
        self._pid = os.getpid()

    def _bring_up(self) -> None:
        state = self.server.state()
        if state is ServerState.DOWN:
            self.server.start()
            self.started_here = True
            state = ServerState.LOADING
        self._await_ready(START_SECONDS if state is ServerState.LOADING else FROZEN_SECONDS)

    def _await_ready(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (state := self.server.state()) is not ServerState.READY:
            if state is ServerState.DOWN or self.server.has_given_up():
                raise ServerUnavailable(f"The embedded Valkey did not start: {self.server.last_words()}")
            if time.monotonic() > end:
                raise ServerUnavailable(
                    f"The embedded Valkey does not answer on {self.server.socket_path} "
                    f"(log: {self.server.log_path}). Stop it with: python manage.py down"
                )
            time.sleep(0.005)


_embedded: EmbeddedValkey | None = None
_making = threading.Lock()


def embedded() -> EmbeddedValkey:
    """Return the embedded server of `settings.ARBORETUM_DATA_DIR`: one object a process."""
    global _embedded
    data_dir = Path(settings.ARBORETUM_DATA_DIR)
    with _making:
        if _embedded is None or _embedded.server.folder != data_dir / "valkey":
            _embedded = EmbeddedValkey(data_dir)
        return _embedded


def ensure_redis() -> None:
    """Make sure that `settings.REDIS_URL` leads to a server: start the embedded one where none was given.

    Cheap when it runs already; nothing is looked at when `REDIS_URL` was given. Raises ServerUnavailable.
    """
    if not settings.REDIS_URL_GIVEN:
        embedded().ensure()


def stop_if_mine() -> bool:
    """Stop the embedded server if this process started it and nobody else uses it. Returns whether it was stopped."""
    return not settings.REDIS_URL_GIVEN and embedded().stop_if_mine()


def stop() -> bool:
    """Stop the embedded server, whoever started it. Returns whether one ran. Raises ServerUnavailable."""
    return embedded().stop()
