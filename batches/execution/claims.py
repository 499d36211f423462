"""Claiming: a run goes to `running` by compare-and-set before any provider is called.

Suspects are passed over: they run in quarantine alone (see suspects).
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from batches.ids import batch_run_id
from batches.models import Batch, BatchQuerySet, Run, RunQuerySet
from batches.states import BatchState, RunState

from .clock import sql_now
from .leases import Held, require_live

_DUE = Q(not_before=None) | Q(not_before__lte=Now())
_FIELDS = (
    "id",
    "batch_id",
    "attempt",
    "token",
    "lease_id",
    "agent_version_id",
    "input_kind",
    "input_json",
    "tries",
    "cost",
    "input_tokens",
    "output_tokens",
    "use_cache",
    "cached_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run in the hands of this process. `attempt` and `token` are the fence behind which its result is stored.

    `cost` (US dollars) and tokens are what earlier attempts used; `use_cache` tells whether a stored answer may serve.
    """

    id: int
    batch_id: int | None
    attempt: int
    token: int
    lease_id: int
    version_id: int
    input_kind: str
    input_json: str
    tries: int
    cost: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    use_cache: bool = True
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def key(self) -> Held:
        """The run and the number of this attempt."""
        return self.id, self.attempt


def runnable_batches() -> BatchQuerySet:
    """Return the batches whose rows may be taken: those that are running and whose time is not over."""
    return Batch.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), state=BatchState.RUNNING)


def due_rows(batch_id: int | OuterRef) -> RunQuerySet:
    """Return the rows of a batch that may be taken now, in the order of the input (index `run_pending`).

    The batch may be that of an outer query. Of a batch with a pilot these are too many: see `takeable_rows`.
    """
    return Run.objects.filter(_DUE, batch_id=batch_id, state=RunState.PENDING, crash_slice=None).order_by("id")


def takeable_rows(batch_id: int, pilot: Sequence[int] | None) -> RunQuerySet:
    """Return the due rows of a batch; while it has a `pilot`, those at its places alone."""
    due = due_rows(batch_id)
    return due if pilot is None else due.filter(id__in=pilot_ids(batch_id, pilot))


def pilot_ids(batch_id: int, pilot: Sequence[int]) -> list[int]:
    """Return the ids of the rows at a pilot's places."""
    return [batch_run_id(batch_id, place) for place in pilot]


class Claim(list[ClaimedRun]):
    """The runs that were taken; `has_more` tells whether more were due."""

    has_more = False


def claim_batch(batch_id: int, lease_id: int, limit: int, *, without: Collection[int] = ()) -> Claim:
    """Take up to `limit` due runs of a running batch, in the order of the input; none of the versions in `without`.

    Nothing is taken of a batch that is not running, and while it has a pilot nothing but the pilot's rows. Rivals never
    get the same row: PostgreSQL locks and skips, SQLite lets one writer in at a time. Raises LeaseLost where the lease
    lives no more.
    """
    with transaction.atomic():
        require_live(lease_id)
        found = list(runnable_batches().filter(pk=batch_id).values_list("pilot", flat=True))
        if not found:
            return Claim()
        due = takeable_rows(batch_id, found[0])
        if without:
            due = due.exclude(agent_version__in=without)
        due = due.select_for_update(skip_locked=True)
        ids = list(due.values_list("id", flat=True)[: limit + 1])
        claim = Claim(take(ids[:limit], lease_id))
        claim.has_more = len(ids) > limit
        return claim


def claim_singles(run_ids: Collection[int], lease_id: int) -> list[ClaimedRun]:
    """Take those of the queued single runs `run_ids` that are due and not taken by anybody else. Raises LeaseLost."""
    ids, token = list(run_ids), secrets.randbits(62)
    with transaction.atomic():
        if _take_queued(ids, lease_id, token) < len(ids):
            # Somebody else has them, or they are not to be taken under this lease.
            require_live(lease_id)
        return [ClaimedRun(*row) for row in _claimed(ids, token).values_list(*_FIELDS)]


def _take_queued(ids: Sequence[int], lease_id: int, token: int) -> int:
    """Set queued single runs running, where the lease lives, and return how many; they and the lease stay locked.

    One statement: each single run pays for it.
    """
    is_postgresql = connection.vendor == "postgresql"
    lock_lease, lock_runs = ("FOR NO KEY UPDATE", "FOR UPDATE SKIP LOCKED") if is_postgresql else ("", "")
    statement = f"""
        WITH live AS (
            SELECT id FROM batches_lease
            WHERE id = %s AND released_at IS NULL AND expires_at > {sql_now()} {lock_lease}
        ), free AS (
            SELECT id FROM batches_run
            WHERE id IN ({", ".join(["%s"] * len(ids))}) AND state = 'queued' AND crash_slice IS NULL
                AND (not_before IS NULL OR not_before <= {sql_now()}) {lock_runs}
        )
        UPDATE batches_run SET state = 'running', attempt = attempt + 1, token = %s, lease_id = %s, not_before = NULL
        WHERE id IN (SELECT id FROM free) AND EXISTS (SELECT 1 FROM live)"""  # noqa: S608 - constants alone
    with connection.cursor() as cursor:
        cursor.execute(statement, [lease_id, *ids, token, lease_id])
        return int(cursor.rowcount)


def take(ids: Sequence[int], lease_id: int) -> list[ClaimedRun]:
    """Set waiting runs running under a lease, in the transaction that locked them, and return them by id."""
    if not ids:
        return []
    token = secrets.randbits(62)
    Run.objects.filter(id__in=ids, state__in=[RunState.PENDING, RunState.QUEUED]).update(
        state=RunState.RUNNING,
        attempt=F("attempt") + 1,
        token=token,
        lease_id=lease_id,
        not_before=None,
    )
    return [ClaimedRun(*row) for row in _claimed(ids, token).values_list(*_FIELDS)]


def _claimed(ids: Sequence[int], token: int) -> QuerySet[Run]:
    return Run.objects.filter(id__in=ids, token=token, state=RunState.RUNNING).order_by("id")
