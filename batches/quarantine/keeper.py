"""The worker's side: starts a child while suspects wait, at most one, and draws the consequence of how it ended."""

import signal
import subprocess
import sys
import time

import structlog
from django.conf import settings

from batches.execution.burying import store_journal
from batches.execution.leases import Held, is_silent
from batches.execution.reaping import reap_process, release_process
from batches.execution.suspects import has_suspects
from workers.processes import dies_with_parent

from .exits import ENDED, FAILED

log = structlog.get_logger(__name__)

# After the grace time for calls in flight, what they brought is still stored.
EXTRA_SECONDS = 5.0
# A child that could not go on, or died with nothing in its hands, would do so again: the next one waits.
REST_SECONDS = 30.0
# Whether a child hangs is asked this often.
ASK_SECONDS = 2.0
# Another worker may be reading the journal of a child that died.
JOURNAL_SECONDS = 5.0


class _Child:
    """A started child: its name in leases, and whether it was asked to stop, or killed by us, and why."""

    def __init__(self, name: str, turn: int) -> None:
        self.name = name
        self.asked_at: float | None = None
        self.was_killed = False
        self.is_stuck = False
        self._journal_until = 0.0
        # What its journal says had not started, once that was read.
        self.unstarted: set[Held] | None = None
        self._next_question = time.monotonic() + ASK_SECONDS
        self.process = subprocess.Popen(
            [sys.executable, "-m", "batches.quarantine", "--process", name, "--turn", str(turn)],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            # Ctrl-C reaches the worker alone, and that stops its child in order.
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def waits_for_journal(self) -> bool:
        """Whether who has the journal of this child, which is dead, may still be waited for."""
        self._journal_until = self._journal_until or time.monotonic() + JOURNAL_SECONDS
        return time.monotonic() < self._journal_until

    def ask(self) -> None:
        if self.asked_at is None:
            self.asked_at = time.monotonic()
            self.process.terminate()

    def kill_if_stuck(self) -> None:
        """Kill it where it does not renew its leases: a run holds its loop up, and would for ever."""
        if time.monotonic() >= self._next_question:
            self._next_question = time.monotonic() + ASK_SECONDS
            if is_silent(self.name):
                self.is_stuck = True
                self._kill()

    def end(self) -> None:
        """Ask it to stop, and kill it when its grace time is over."""
        self.ask()
        assert self.asked_at is not None
        deadline = self.asked_at + settings.ARBORETUM_GRACE_SECONDS + EXTRA_SECONDS
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        self.was_killed = True
        self.process.kill()
        self.process.wait()


class QuarantineKeeper:
    """Keeps at most one child. Used from one thread, which must live as long as the child: the kernel looks at it."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._child: _Child | None = None
        self._turn = 0
        self._rests_until = 0.0

    @property
    def has_child(self) -> bool:
        """Whether there is a child, or one that died and whose runs have not been taken back yet."""
        return self._child is not None

    @property
    def is_running(self) -> bool:
        """Whether a child lives."""
        return self._child is not None and self._child.is_running

    def look(self, worker: str, *, may_start: bool) -> None:
        """Bury a child that ended, and start the next where suspects wait, unless `may_start` forbids it.

        A living child is asked to stop then. `worker` is the name of this worker process. Raises DatabaseError; a child
        that ended is then buried at the next look.
        """
        if self._child is not None and self._child.is_running:
            if not may_start:
                self._child.ask()
            self._child.kill_if_stuck()
            if self._child.is_running:
                return
        if self._child is not None and not self._bury(self._child):
            return
        self._child = None
        if may_start and time.monotonic() >= self._rests_until and has_suspects():
            self._child = _Child(f"{worker}:q{self._turn}", self._turn)
            self._turn += 1
            log.info("quarantine_started", process=self._child.name, pid=self._child.process.pid)

    def stop(self) -> None:
        """Have the child hand back what it holds and end, within the grace time and EXTRA_SECONDS."""
        if self._child is not None:
            self._child.end()
            if self._bury(self._child):
                self._child = None

    def _bury(self, child: _Child) -> bool:
        """Take back what a child that ended still held; return whether that is done."""
        if child.unstarted is None:
            child.unstarted = _stored(child.name)
        if child.unstarted is None and child.waits_for_journal():
            return False
        code = child.process.returncode
        if code in (ENDED, FAILED) or (child.was_killed and not child.is_stuck):
            release_process(child.name)
            if code == FAILED:
                log.warning("quarantine_failed", process=child.name)
                self._rest()
            return True
        return self._reap(child, code, child.unstarted or set())

    def _reap(self, child: _Child, code: int, unstarted: set[Held]) -> bool:
        # One that died by itself while this worker lives died of what it held, as far as anybody knows. One that was
        # stuck may have waited for the database.
        is_blamed = not child.is_stuck
        runs = reap_process(child.name, is_gone=True, is_blamed=is_blamed, unstarted=unstarted)
        if runs is None:
            return False
        if runs or child.asked_at is None:
            log.warning("quarantine_died", process=child.name, code=code, runs=runs, stuck=child.is_stuck)
        if runs <= len(unstarted):
            # It died with nothing under way.
            self._rest()
        return True

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS


def _stored(process: str) -> set[Held] | None:
    """Store what the journal of a dead child says and return what had not started; None where it cannot be read."""
    try:
        return store_journal(process)
    except OSError as error:
        log.warning("journal_unreadable", process=process, error=type(error).__name__)
        return None
