"""The backend: as Django's, but for how it waits for the write lock.

SQLite's own wait sleeps longer and longer, up to 0.1 s between two tries (`sqliteDefaultBusyCallback` in its main.c).
Two processes that write all the time so never share: the one that has just committed takes the lock again while the
other sleeps, and claims waited for more than a second. Who tries every millisecond gets his turn.
"""

import sqlite3
import time

from django.db.backends.sqlite3 import base

PAUSE_SECONDS = 0.001


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection."""

    transaction_mode: str | None

    def _start_transaction_under_autocommit(self) -> None:
        """Begin a transaction, by trying for the write lock again and again for as long as `timeout` says."""
        if self.transaction_mode is None or self.queries_logged:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
            return
        seconds = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            with self.wrap_database_errors:
                self._begin(time.monotonic() + seconds)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def _begin(self, deadline: float) -> None:
        while True:
            try:
                self.connection.execute(f"BEGIN {self.transaction_mode}")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(PAUSE_SECONDS)
