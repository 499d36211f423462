"""Burying processes of this machine that died: what their journals say is stored, and what they held goes to others.

It is done within seconds, long before their leases run out, and by every worker process: whoever gets the lock of a
dead one's journal. What nobody finds a journal of is left to the reaper.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.db import InterfaceError, OperationalError

from batches.models import Attempt, Run
from batches.states import RunState

from .journal import SUFFIX, journal_folder, journal_path
from .journal_records import JournalContent, read_journal
from .leases import Held
from .outcomes import Outcome
from .reaping import reap_process
from .storing import UNPRICED, store_outcomes

log = structlog.get_logger(__name__)

# So many outcomes are stored in one transaction.
STORED_TOGETHER = 200
# A process in quarantine is called by the name of the worker that keeps it, this, and a number.
QUARANTINE_MARK = ":q"


def bury_dead() -> int:
    """Bury all processes of this machine whose journals are held by nobody; return how many.

    Raises DatabaseError; what is left is done at the next look.
    """
    folder = journal_folder()
    paths = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    return sum(_bury(path) for path in paths)


def store_journal(process: str) -> bool:
    """Store what a process that is dead had ended; return False where somebody else is about to.

    Its runs are left to the caller, who knows how it died. Raises DatabaseError.
    """
    path = journal_path(process)
    with _taken(path) as content:
        if content is None:
            return not path.exists()
        _store(content)
        path.unlink(missing_ok=True)
    return True


def _bury(path: Path) -> bool:
    with _taken(path) as content:
        if content is None:
            return False
        _store(content)
        keeper, _, is_kept = content.process.rpartition(QUARANTINE_MARK)
        if is_kept and _lives(journal_path(keeper)):
            # Its keeper saw how it died, and draws the consequence.
            return False
        if reap_process(content.process, is_gone=True, unstarted=content.waiting) is None:
            return False
        path.unlink(missing_ok=True)
    return True


@contextmanager
def _taken(path: Path) -> Iterator[JournalContent | None]:
    """Give what a journal says, locked; None where somebody holds it, or where it is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield _content(file, path) if _is_free(file, path) else None
    finally:
        os.close(file)


def _is_free(file: int, path: Path) -> bool:
    """Whether nobody held `file`, which is locked now, and it still lies at `path`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _content(file: int, path: Path) -> JournalContent:
    with os.fdopen(os.dup(file), "rb") as reader:
        content = read_journal(reader.read())
    content.process = content.process or path.stem
    return content


def _lives(path: Path) -> bool:
    """Whether somebody holds the journal at `path`."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


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
