"""`BatchManager`: everything that a user does to batches. Pages, APIs and commands call these same verbs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now

from agents.attachments import check_columns
from agents.models import AgentVersion
from agents.prompts import template
from credentials.models import User
from workers.errors import Conflict, InvalidInput, NotFound

from .accepting import BadRows, accept_input
from .access import require_access
from .creating import insert_rows
from .estimating.sampling import choose_pilot
from .execution.cancelling import cancel_rows
from .execution.clock import now_plus
from .ids import MAX_BATCH_ROWS
from .inputs import InputReport
from .models import Batch, EventType, Run
from .models.batch import InputKind
from .publishing import lease_messages_wanted, publish_cancel, publish_finalize, publish_leases
from .states import ACTIVE_BATCH_STATES, BatchState, Priority, RunState
from .telling import tell_changed
from .webhooks.events import note_batch_event
from .windows import window_of

__all__ = ["LARGEST_WEIGHT", "RETRYABLE_STATES", "BadRows", "BatchManager", "BatchOptions", "discard"]

log = structlog.get_logger(__name__)

RETRYABLE_STATES = (
    BatchState.RUNNING,
    BatchState.PAUSED,
    BatchState.COMPLETED,
    BatchState.CANCELLED,
    BatchState.EXPIRED,
)
LARGEST_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a user may choose about a batch.

    `weight` (1 to 100) is its share of a model beside batches of its priority, `max_cost` is US dollars,
    `skip_bad_rows` leaves bad rows out; without `use_cache` no stored answer serves a row;
    with `tells_rows` webhooks are told of each row that ends.
    """

    name: str = ""
    priority: Priority = Priority.NORMAL
    weight: int = 1
    max_cost: Decimal | None = None
    skip_bad_rows: bool = False
    use_cache: bool = True
    tells_rows: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


class BatchManager:
    """The verbs of one user. Each raises NotFound where the batch is not theirs, Conflict where its state forbids."""

    def __init__(self, user: User) -> None:
        """Act for `user`."""
        self._user = user

    def get(self, batch_id: int) -> Batch:
        """Return a batch that the user may see."""
        batch = Batch.objects.visible_to(self._user).filter(pk=batch_id).first()
        if batch is None:
            raise NotFound(f"There is no batch {batch_id}.")
        return batch

    def create(
        self,
        version: AgentVersion,
        path: Path,
        options: BatchOptions | None = None,
        *,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        on_ready: Callable[[Batch], None] = lambda batch: None,
    ) -> Batch:
        """Create a batch of `version` over the rows of the file at `path`, and return it, ready to start.

        The whole file is checked first: nothing is created where a row is bad, unless the user chose to skip bad rows.
        `on_progress` is told the rows written and their number; `on_ready` is called in the transaction that makes the
        batch ready, so that what it does is done with that or not at all. Raises InvalidInput (BadRows for bad rows).
        """
        require_access(self._user, version)
        options = options or BatchOptions()
        _check_share(options.priority, options.weight)
        report = accept_input(version, path, skip_bad_rows=options.skip_bad_rows)
        batch = self._new_batch(version, report, options)
        try:
            insert_rows(
                batch,
                report,
                on_progress,
                use_cache=options.use_cache,
                on_ready=lambda: on_ready(Batch.objects.get(pk=batch.pk)),
            )
        except BaseException:
            # Ctrl-C included: nothing half-created stays.
            discard(batch)
            raise
        batch.refresh_from_db()
        log.info("batch_created", batch_id=batch.pk, rows=batch.total, skipped=batch.skipped_rows)
        return batch

    def _new_batch(self, version: AgentVersion, report: InputReport, options: BatchOptions) -> Batch:
        return Batch.objects.create(
            owner=self._user,
            name=options.name or report.path.stem[:200],
            agent_version=version,
            priority=options.priority,
            weight=options.weight,
            max_cost=options.max_cost,
            metadata=dict(options.metadata),
            tells_rows=options.tells_rows,
            columns=list(report.columns),
            input_name=report.path.name[:255],
            input_bytes=report.bytes,
            skipped_rows=report.problem_count,
        )

    def start(self, batch: Batch) -> Batch:
        """Start a ready batch."""
        require_access(self._user, batch.version)
        self._move(batch, [BatchState.READY], BatchState.RUNNING, started_at=Coalesce("started_at", Now()))
        publish_leases(batch.pk, lease_messages_wanted(batch.remaining))
        return batch

    def pilot(self, batch: Batch, rows: int) -> Batch:
        """Start a ready batch with a pilot: `rows` of its rows, short and long prompts among them, run first, alone.

        When they have ended the batch is paused (`batches.execution.pilots`). A pilot of all rows is the batch itself,
        which runs to its end. Raises InvalidInput where `rows` is not 5 to 1,000, or more than there are.
        """
        require_access(self._user, batch.version)
        places = choose_pilot(batch, rows)
        pilot = places if len(places) < batch.total else None
        self._move(batch, [BatchState.READY], BatchState.RUNNING, pilot=pilot, started_at=Coalesce("started_at", Now()))
        publish_leases(batch.pk, lease_messages_wanted(rows))
        return batch

    def pause(self, batch: Batch, reason: str = "") -> Batch:
        """Start no more rows. Calls in flight end and are kept."""
        with transaction.atomic():
            self._move(batch, [BatchState.RUNNING], BatchState.PAUSED, state_reason=reason)
            note_batch_event(batch.pk, EventType.BATCH_PAUSED)
        tell_changed(batch.pk)
        return batch

    def resume(self, batch: Batch) -> Batch:
        """Go on where a paused batch stopped."""
        self._move(batch, [BatchState.PAUSED], BatchState.RUNNING, state_reason="")
        publish_leases(batch.pk, lease_messages_wanted(batch.remaining))
        return batch

    def change(self, batch: Batch, *, priority: Priority | None = None, weight: int | None = None) -> Batch:
        """Change the priority or the weight (1 to 100) of a batch that has not ended, also while it runs.

        None leaves one as it is. Raises InvalidInput where a value is not allowed, or none is given.
        """
        _check_share(priority, weight)
        given = {"priority": priority, "weight": weight}
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            raise InvalidInput("Nothing to change: give a priority, a weight or both.")
        self._update(batch, ACTIVE_BATCH_STATES, **changes)
        tell_changed(batch.pk)
        log.info("batch_changed", batch_id=batch.pk, priority=batch.priority, weight=batch.weight)
        return batch

    def cancel(self, batch: Batch, *, in_background: bool = False) -> Batch:
        """End a batch: what has not run is cancelled, calls in flight are cut, what is finished stays.

        With `in_background` a worker ends the rows, however many there are, and nobody waits for it.
        """
        # Again, too, where an earlier call was cut short; maintenance would go on with it as well.
        live = [BatchState.READY, BatchState.RUNNING, BatchState.PAUSED, BatchState.CANCELLING]
        # Whose process reads its input by itself, from a file of its own, cannot be told to stop. Where all rows have
        # ended a batch is done in a moment; only one of requests measures its files, which takes longer.
        live += [BatchState.VALIDATING, BatchState.FINALIZING] if batch.endpoint else []
        self._move(
            batch,
            live,
            BatchState.CANCELLING,
            cancelling_at=Coalesce("cancelling_at", Now()),
            state_reason="",
            reading=None,
        )
        if in_background:
            publish_cancel(batch.pk)
            return batch
        cancel_rows(batch.pk)
        tell_changed(batch.pk)
        publish_finalize(batch.pk)
        batch.refresh_from_db()
        return batch

    def retry(
        self,
        batch: Batch,
        *,
        codes: Collection[str] = (),
        indexes: Collection[int] = (),
        version: AgentVersion | None = None,
    ) -> int:
        """Run failed rows again: all, those with an error code in `codes`, or those at `indexes`; return how many.

        With `version` they run with that version of the same or another agent. What earlier attempts cost is kept.
        """
        if version is not None:
            require_access(self._user, version)
            if batch.input_kind == InputKind.COLUMNS:
                template(version.prompt).check(batch.columns)
                check_columns(version.attachments, batch.columns)
        stays_paused = Case(When(state=BatchState.PAUSED, then=F("state")), default=Value(BatchState.RUNNING))
        with transaction.atomic():
            number = self._requeue(batch, codes, indexes, version)
            if number:
                self._move(
                    batch,
                    RETRYABLE_STATES,
                    stays_paused,
                    failed=F("failed") - number,
                    **({"is_mixed": True} if version is not None else {}),
                    **_another_window(batch),
                    finished_at=None,
                    finalizing_at=None,
                    cancelling_at=None,
                    started_at=Coalesce("started_at", Now()),
                )
        if number and batch.state == BatchState.RUNNING:
            publish_leases(batch.pk, lease_messages_wanted(number))
        return number

    def _requeue(
        self, batch: Batch, codes: Collection[str], indexes: Collection[int], version: AgentVersion | None
    ) -> int:
        failed = Run.objects.filter(batch_id=batch.pk, state=RunState.FAILED)
        if codes:
            failed = failed.filter(error_code__in=codes)
        if indexes:
            failed = failed.filter(index__in=[index for index in indexes if index in range(MAX_BATCH_ROWS)])
        changes: dict[str, Any] = {"agent_version": version} if version is not None else {}
        return failed.update(
            state=RunState.PENDING,
            tries=0,
            crashes=0,
            crash_slice=None,
            not_before=None,
            finished_at=None,
            error_code=None,
            error_message=None,
            model=None,
            is_cached=False,
            completion=None,
            **changes,
        )

    def _move(
        self, batch: Batch, allowed: Collection[BatchState], state: BatchState | Combinable, **changes: Any
    ) -> Batch:
        """Change the state by compare-and-set. Raises Conflict where the batch is in no allowed state."""
        self._update(batch, allowed, state=state, **changes)
        log.info("batch_state", batch_id=batch.pk, state=batch.state)
        return batch

    def _update(self, batch: Batch, allowed: Collection[BatchState], **changes: Any) -> None:
        """Change a batch that is in an allowed state, and read it again. Raises Conflict where it is in none."""
        changed = Batch.objects.filter(pk=batch.pk, state__in=allowed).update(updated_at=Now(), **changes)
        batch.refresh_from_db()
        if not changed:
            *others, last = (state for state in BatchState if state in allowed)
            names = f"{', '.join(others)} or {last}" if others else last
            raise Conflict(f"Batch {batch.pk} is {batch.state}; this needs it to be {names}.")


def _check_share(priority: int | None, weight: int | None) -> None:
    """Raise InvalidInput for a priority or a weight that a batch may not have; None is none given."""
    if priority is not None and priority not in Priority.values:
        allowed = ", ".join(f"{value} ({label.lower()})" for value, label in Priority.choices)
        raise InvalidInput(f"priority is {priority!r}; allowed: {allowed}.")
    if weight is not None and (type(weight) is not int or not 1 <= weight <= LARGEST_WEIGHT):
        raise InvalidInput(f"weight is {weight!r}; allowed: whole numbers from 1 to {LARGEST_WEIGHT}.")


def _another_window(batch: Batch) -> dict[str, Any]:
    """Return what a batch of requests whose rows are run again gets anew: time, and files that are not measured yet."""
    if not batch.endpoint:
        return {}
    measured = {"output_bytes": None, "error_bytes": None, "output_expires_at": None}
    undeleted = {"is_output_deleted": False, "is_error_deleted": False}
    window = window_of(batch.completion_window)
    return {**measured, **undeleted, "expires_at": now_plus(window.total_seconds())}


def discard(batch: Batch) -> None:
    """Delete a batch that was never ready, with its rows."""
    first, after = batch.run_ids
    Run.objects.filter(id__gte=first, id__lt=after)._raw_delete("default")
    batch.delete()
