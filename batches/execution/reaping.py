"""Reaping: runs taken back from processes that died with them in their hands.

All leases of a process die together. What it held becomes suspect (see suspects), and a suspect that was alone in
quarantine when its process died is condemned: it fails as `poison`.
"""

from collections.abc import Collection
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from batches.models import Attempt, AttemptOutcome, Lease, Run, RunQuerySet
from batches.states import RunState
from batches.webhooks.events import EndedRun, note_run_events
from workers.errors import ErrorCode

from .leases import Held, held_runs, release_leases
from .locking import in_chunks
from .returning import hand_back
from .storing import add_to_batches
from .unclaiming import uncount

log = structlog.get_logger(__name__)

REAPED_PROCESSES = 50
# A process in quarantine may die with the worker that started it, of which its run need not be the cause. Where nobody
# saw it die by itself, its last run is condemned only when it has crashed so often.
MOST_UNEXPLAINED_CRASHES = 12
# A process in quarantine that had to go with its worker says nothing against its runs, so often; then they are halved,
# since one of them may take the whole container with it each time.
MOST_EXCUSED_CRASHES = 4
_FIELDS = ("id", "batch_id", "attempt", "crashes")


@dataclass(frozen=True, slots=True)
class Death:
    """The death of a process. `is_blamed`: its parent saw it die by itself, so its runs alone can be the cause.

    `is_excused`: it died because its parent had.
    """

    process: str
    is_quarantine: bool
    is_blamed: bool
    is_excused: bool = False


def reap() -> int:
    """Take runs back from processes all of whose leases ran out without being released. Returns how many runs."""
    open_leases = Lease.objects.filter(released_at=None).order_by()
    dead = open_leases.values("process").annotate(last=Max("expires_at")).filter(last__lte=Now())
    names = list(dead.order_by("last").values_list("process", flat=True)[:REAPED_PROCESSES])
    return sum(reap_process(name) or 0 for name in names)


def reap_process(
    process: str,
    *,
    is_gone: bool = False,
    is_blamed: bool = False,
    is_excused: bool = False,
    unstarted: Collection[Held] = (),
) -> int | None:
    """Take back all that `process` holds; return how many runs, or None where it has to be looked at again.

    With `is_gone` it is known to be dead, so its leases need not have run out; with `is_blamed` it was alive before and
    died by itself, with `is_excused` it had to go with its parent. Runs in `unstarted` only waited for their start in
    it: they are no suspects. It is done in one transaction, since the number of runs it held counts for each of them;
    where somebody else has a row or a lease of it locked, or it has renewed one, nothing is done.
    """
    with transaction.atomic():
        leases = _locked_leases(process, is_gone)
        rows = None if leases is None else _locked_rows(leases)
        if leases is None or rows is None:
            return None
        if rows:
            is_quarantine = all(lease.is_quarantine for lease in leases)
            waiting = [row for row in rows if (row.pk, row.attempt) in unstarted]
            started = [row for row in rows if (row.pk, row.attempt) not in unstarted]
            uncount([row.pk for row in waiting])
            _write_crash(started, Death(process, is_quarantine, is_blamed, is_excused))
        Lease.objects.filter(pk__in=[lease.pk for lease in leases]).update(released_at=Now())
    if rows:
        log.warning(
            "process_reaped",
            process=process,
            runs=len(rows),
            suspects=len(started),
            quarantine=is_quarantine,
            blamed=is_blamed,
        )
    return len(rows)


def release_process(process: str) -> None:
    """Hand back all that a process holds which has ended without dying of it, and release its leases."""
    release_leases(list(Lease.objects.filter(process=process, released_at=None).values_list("pk", flat=True)))


def _locked_leases(process: str, is_gone: bool) -> list[Lease] | None:
    mine = Lease.objects.filter(process=process, released_at=None).order_by("pk")
    dead = mine if is_gone else mine.filter(expires_at__lte=Now())
    leases = list(dead.select_for_update(skip_locked=True, no_key=True))
    return leases if len(leases) == mine.count() else None


def _locked_rows(leases: list[Lease]) -> list[Run] | None:
    held = held_runs([lease.pk for lease in leases])
    rows = list(held.select_for_update(skip_locked=True, of=("self",)).order_by("id").only(*_FIELDS))
    return rows if len(rows) == held.count() else None


def _write_crash(rows: list[Run], death: Death) -> None:
    if death.is_quarantine and len(rows) == 1 and _is_poison(rows[0], death):
        _condemn(rows[0])
    else:
        _suspect(rows, death)
    Attempt.objects.bulk_create(
        [
            Attempt(
                run_id=row.pk,
                number=row.attempt,
                outcome=AttemptOutcome.CRASHED,
                worker=death.process,
                finished_at=Now(),
                error_message="The worker process died.",
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _is_poison(row: Run, death: Death) -> bool:
    return death.is_blamed or row.crashes + 1 >= MOST_UNEXPLAINED_CRASHES


def _suspect(rows: list[Run], death: Death) -> None:
    excused = {row.pk for row in rows if death.is_excused and row.crashes < MOST_EXCUSED_CRASHES}
    _send_back([row for row in rows if row.pk in excused])
    _send_back([row for row in rows if row.pk not in excused], crash_slice=len(rows))


def _send_back(rows: list[Run], **changes: int) -> None:
    for state, is_single in ((RunState.QUEUED, True), (RunState.PENDING, False)):
        ids = [row.pk for row in rows if (row.batch_id is None) is is_single]
        for chunk in in_chunks(ids):
            Run.objects.filter(pk__in=chunk).update(
                state=state, lease=None, token=None, crashes=F("crashes") + 1, **changes
            )


def _condemn(row: Run) -> None:
    """Fail a run that killed its process while it was alone in it; the batch counts it in the same transaction."""
    number = row.crashes + 1
    Run.objects.filter(pk=row.pk).update(
        state=RunState.FAILED,
        lease=None,
        token=None,
        crashes=number,
        crash_slice=1,
        error_code=ErrorCode.POISON,
        error_message=f"{number} worker processes died while they ran this input; the last ran nothing else.",
        finished_at=Now(),
    )
    if row.batch_id is not None:
        add_to_batches({row.batch_id: {"failed": 1}})
    note_run_events([EndedRun(row.pk, row.attempt, row.batch_id, RunState.FAILED, ErrorCode.POISON)])
    log.warning("run_condemned", run_id=row.pk, batch_id=row.batch_id, crashes=number)


def return_forgotten() -> int:
    """Hand back what is held under a lease that ran out though its process lives: it does not know of it, or is late.

    Returns how many leases. An answer to the opening of a lease that was lost with the connection leaves such a lease.
    """
    alive = Lease.objects.filter(released_at=None, expires_at__gt=Now()).values("process")
    forgotten = Lease.objects.filter(released_at=None, expires_at__lte=Now(), process__in=alive)
    ids = list(forgotten.values_list("pk", flat=True))
    if ids:
        release_leases(ids)
    return len(ids)


def return_unheld() -> int:
    """Let runs wait again whose lease was released or is gone: nobody executes them. Returns how many."""
    with transaction.atomic():
        return hand_back(unheld_runs())


def unheld_runs() -> RunQuerySet:
    """Return the running runs under no lease that is open (index `run_held`)."""
    leases = Lease.objects.filter(released_at=None).values("pk")
    return Run.objects.filter(state=RunState.RUNNING).exclude(lease__in=leases)
