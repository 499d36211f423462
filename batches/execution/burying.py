"""Burying processes of this machine that died: what their journals say is stored, and what they held goes to others.

It is done within seconds, long before their leases run out, and by every worker process: whoever gets the lock of a
dead one's journal. What nobody finds a journal of is left to the reaper.
"""

import fcntl
import glob
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
from django.db import InterfaceError, OperationalError

from batches.models import Attempt, Lease, Run
from batches.states import RunState

from .clock import now_plus
from .journal import FRESH_SUFFIX, SUFFIX, journal_folder, journal_path
from .journal_records import JournalContent, read_journal
from .leases import LEASE_SECONDS, Held
from .outcomes import Outcome
from .reaping import reap_process
from .storing import UNPRICED, store_outcomes

log = structlog.get_logger(__name__)

# So many outcomes are stored in one transaction.
STORED_TOGETHER = 200
# A process in quarantine is called by the name of the worker that keeps it, this, and a number.
QUARANTINE_MARK = ":q"
# A journal is written anew in far less.
ABANDONED_SECONDS = 60.0
# Journals that could not be read, and of which that was said; and those whose leases were extended, which is done once.
_unreadable: set[Path] = set()
_extended: set[Path] = set()


def bury_dead() -> int:
    """Bury all processes of this machine whose journals are held by nobody; return how many.

    Raises DatabaseError; what is left is done at the next look.
    """
    folder = journal_folder()
    if not folder.is_dir():
        return 0
    for path in folder.glob(f"*{FRESH_SUFFIX}"):
        _remove_abandoned(path)
    # Those in quarantine come with their keepers, before them.
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (QUARANTINE_MARK in path.stem, path.stem))
    return sum(_bury_apart(path) for path in paths)


def left_journals() -> list[str]:
    """Return the names of processes of this machine that died and whose journals nobody has buried yet."""
    left = []
    for path in sorted(journal_folder().glob(f"*{SUFFIX}")):
        with suppress(OSError), _taken(path) as content:
            if content is not None:
                left.append(path.stem)
    return left


def _remove_abandoned(path: Path) -> None:
    """Remove a file that was to take a journal's place and never did."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            with _taken(path) as content:
                if content is not None:
                    path.unlink(missing_ok=True)


def store_journal(process: str) -> set[Held] | None:
    """Store what a process that is dead had ended; return which runs had not started.

    None where somebody else has its journal. Its runs are left to the caller, who knows how it died. Raises
    DatabaseError.
    """
    path = journal_path(process)
    with _taken(path) as content:
        if content is None:
            return None if path.exists() else set()
        _store(content)
        path.unlink(missing_ok=True)
        return content.waiting


def _bury_apart(path: Path) -> bool:
    """Bury one; a file that is at fault keeps nobody else unburied."""
    try:
        return _bury_kept(path) if QUARANTINE_MARK in path.stem else _bury(path)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if path not in _unreadable:
            _unreadable.add(path)
            log.exception("journal_unreadable", path=path.name, error=type(error).__name__)
        return False


def _bury(path: Path) -> bool:
    with _taken(path) as content:
        if content is None:
            return False
        kept = list(path.parent.glob(f"{glob.escape(path.stem)}{QUARANTINE_MARK}*{SUFFIX}"))
        # All of them: one that is still dying is found by its keeper's name at the next look.
        buried = [_bury_one(child) for child in kept]
        return all(buried) and _finish(path, content, is_gone=content.is_of_this_boot)


def _bury_one(path: Path) -> bool:
    with _taken(path) as content:
        is_gone = content is not None and content.is_of_this_boot
        return content is not None and _finish(path, content, is_gone=is_gone, is_excused=True)


def _bury_kept(path: Path) -> bool:
    """Store what a process in quarantine had ended, whose keeper may know more; without one its leases have to end."""
    if journal_path(path.stem.rpartition(QUARANTINE_MARK)[0]).exists():
        return False
    with _taken(path) as content:
        return content is not None and _finish(path, content, is_gone=False)


def _finish(path: Path, content: JournalContent, *, is_gone: bool, is_excused: bool = False) -> bool:
    """Store what a journal says, give its runs to others and remove it; return whether that is done.

    `is_gone` where the journal proves the death. One that was written elsewhere, as the boot's id says, does not: its
    lock may not be seen from here. `is_excused` where it died with its keeper.
    """
    if is_gone and path not in _extended:
        # Nobody else is to reap it meanwhile.
        _extended.add(path)
        Lease.objects.filter(process=content.process, released_at=None).update(expires_at=now_plus(LEASE_SECONDS))
    _store(content)
    unstarted = content.waiting
    if reap_process(content.process, is_gone=is_gone, is_excused=is_excused, unstarted=unstarted) is None:
        return False
    path.unlink(missing_ok=True)
    _extended.discard(path)
    return True


@contextmanager
def _taken(path: Path) -> Iterator[JournalContent | None]:
    """Give what a journal says, locked; None where somebody holds it, or where it is gone."""
    try:
        # To write, as some file systems ask of who locks a file for himself.
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        yield _content(file, path) if _is_free(file, path) else None
    finally:
        os.close(file)


def _is_free(file: int, path: Path) -> bool:
    """Whether nobody held `file`, which is locked now, and it still lies at `path`."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file).st_ino == path.stat().st_ino
    return False


def _content(file: int, path: Path) -> JournalContent:
    with os.fdopen(os.dup(file), "rb") as reader:
        content = read_journal(reader.read())
    content.process = content.process or path.stem
    return content


def _store(content: JournalContent) -> None:
    """Store those outcomes whose fence is still open, and the cost of those that were taken away unpriced."""
    stored = 0
    for first in range(0, len(content.outcomes), STORED_TOGETHER):
        group = _unstored(content.outcomes[first : first + STORED_TOGETHER])
        stored += _store_group(group) if group else 0
    if stored:
        log.info("journal_stored", process=content.process, runs=stored)


def _unstored(outcomes: Sequence[Outcome]) -> list[Outcome]:
    ids = {outcome.run.id for outcome in outcomes}
    running = Run.objects.filter(pk__in=ids, state=RunState.RUNNING)
    tokens: dict[Held, int | None] = {
        (pk, attempt): token for pk, attempt, token in running.values_list("pk", "attempt", "token")
    }
    unpriced = set(Attempt.objects.filter(UNPRICED, run__in=ids).values_list("run", "number"))
    return [
        outcome
        for outcome in outcomes
        if tokens.get(outcome.run.key) == outcome.run.token or outcome.run.key in unpriced
    ]


def _store_group(outcomes: Sequence[Outcome]) -> int:
    """Store outcomes and return how many were accepted; one that the database refuses is logged and left out."""
    try:
        return sum(store_outcomes(outcomes))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(outcomes) > 1:
            return sum(_store_group([outcome]) for outcome in outcomes)
        log.exception("outcome_unstorable", run_id=outcomes[0].run.id, error=type(error).__name__)
        return 0
