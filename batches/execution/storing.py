"""Storing outcomes: one transaction for many, each result only where attempt and token still match (the fence).

A result that comes too late is refused, and what it cost is kept on its attempt, its run and its batch.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from batches.models import Attempt, AttemptOutcome, Batch, EventType, Run, RunEvent
from batches.publishing import publish_finalize
from batches.states import TERMINAL_RUN_STATES, BatchState, RunState
from batches.telling import tell_changed
from batches.webhooks.events import EndedRun, note_batch_event, note_run_events

from .attempts import insert_attempts
from .clock import sql_now
from .locking import lock_runs
from .outcomes import Outcome

log = structlog.get_logger(__name__)

_COLUMNS = (
    "run_id, run_attempt, run_token, state, ended, delay, tries, output, parsed, error_code, error_message, "
    "started_at, latency_ms, input_tokens, output_tokens, cost"
)
# What only some runs have: tokens of special kinds, who answered of a pool, that a stored answer did, more than text.
_DETAILS = ", cached_tokens, reasoning_tokens, model, is_cached, completion"
_SET_DETAILS = """,
            cached_tokens = r.cached_tokens + v.cached_tokens,
            reasoning_tokens = r.reasoning_tokens + v.reasoning_tokens,
            model = CAST(v.model AS text), is_cached = (v.is_cached = 1), completion = {completion}"""
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
Value = str | int | float | datetime | None
# Attempts recorded by who took a run away, and who did not know what it had cost.
UNPRICED = Q(outcome__in=[AttemptOutcome.CRASHED, AttemptOutcome.HANDED_BACK], latency_ms=None)
# Batches whose rows may still change state through workers.
LIVE_STATES = (BatchState.RUNNING, BatchState.PAUSED, BatchState.CANCELLING)


def store_outcomes(outcomes: Sequence[Outcome]) -> list[bool]:
    """Store `outcomes` in one transaction and return which were accepted, in order.

    Safe to run again: a second call finds the fence closed and the attempts recorded. Batches of which no row is left
    are handed to `batches.finalize_batch` after the commit.
    """
    with transaction.atomic():
        lock_runs([outcome.run.id for outcome in outcomes])
        accepted = _write_runs(outcomes)
        flags = [outcome.run.key in accepted for outcome in outcomes]
        fresh = [outcome for outcome, is_accepted in zip(outcomes, flags, strict=True) if is_accepted]
        late = [outcome for outcome, is_accepted in zip(outcomes, flags, strict=True) if not is_accepted]
        _write_attempts(fresh)
        priced = _write_late_attempts(late)
        _write_counts(fresh, priced)
        _pause_batches(fresh)
        note_run_events(EndedRun(*one.run.key, one.run.batch_id, one.state, one.error_code) for one in fresh)
    return flags


def _write_runs(outcomes: Sequence[Outcome]) -> set[tuple[int, int]]:
    """Write the runs whose fence is open; return their ids and attempts."""
    is_postgresql = connection.vendor == "postgresql"
    parsed, completion = (
        f"CAST(v.{name} AS jsonb)" if is_postgresql else f"v.{name}" for name in ("parsed", "completion")
    )
    started_at = "CAST(v.started_at AS timestamptz)" if is_postgresql else "v.started_at"
    due = sql_now("CAST(v.delay AS real)")
    # Four values more for each row cost a tenth of the whole; most batches have nothing to say in them.
    has_details = any(outcome.has_details for outcome in outcomes)
    columns, details = _COLUMNS, ""
    if has_details:
        columns, details = _COLUMNS + _DETAILS, _SET_DETAILS.format(completion=completion)
    row = f"({', '.join(['%s'] * (columns.count(',') + 1))})"
    statement = f"""
        WITH v ({columns}) AS (VALUES {", ".join([row] * len(outcomes))})
        UPDATE batches_run AS r SET
            state = v.state, tries = CAST(v.tries AS integer), lease_id = NULL, token = NULL,
            not_before = CASE WHEN v.delay > 0 THEN {due} END,
            started_at = COALESCE(r.started_at, {started_at}),
            finished_at = CASE WHEN v.ended = 1 THEN {sql_now()} END,
            output = CAST(v.output AS text), parsed = {parsed},
            error_code = CAST(v.error_code AS text), error_message = CAST(v.error_message AS text),
            latency_ms = CAST(v.latency_ms AS integer),
            input_tokens = r.input_tokens + v.input_tokens, output_tokens = r.output_tokens + v.output_tokens,
            cost = r.cost + CAST(v.cost AS numeric){details}
        FROM v
        WHERE r.id = v.run_id AND r.attempt = v.run_attempt AND r.token = v.run_token AND r.state = 'running'
        RETURNING id, attempt"""  # noqa: S608 - the text is made of constants alone
    parameters: list[Value] = []
    for outcome in outcomes:
        parameters += _row(outcome)
        if has_details:
            parameters += _details(outcome)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {(row[0], row[1]) for row in cursor.fetchall()}


def _row(outcome: Outcome) -> tuple[Value, ...]:
    run, spent = outcome.run, outcome.spent
    return (
        run.id,
        run.attempt,
        run.token,
        str(outcome.state),
        int(outcome.state in TERMINAL_RUN_STATES),
        outcome.delay,
        outcome.tries,
        outcome.output,
        outcome.parsed_json,
        outcome.error_code,
        outcome.error_message,
        _started_at(outcome),
        spent.latency_ms,
        spent.usage.input_tokens,
        spent.usage.output_tokens,
        str(spent.cost),
    )


def _details(outcome: Outcome) -> tuple[Value, ...]:
    spent = outcome.spent
    # Without a pool the model is the version's.
    model = spent.model if spent.is_pooled else None
    # A run that goes on may yet be asked.
    is_cached = int(spent.is_cached and outcome.state is RunState.SUCCEEDED)
    return spent.usage.cached_tokens, spent.usage.reasoning_tokens, model, is_cached, outcome.completion_json


def _started_at(outcome: Outcome) -> Value:
    """Return when the attempt began, as the database takes it; None where it was cut off before it was prepared."""
    spent = outcome.spent
    if outcome.kind is AttemptOutcome.HANDED_BACK and not spent.model:
        return None
    moment: Value = connection.ops.adapt_datetimefield_value(spent.started_at)
    return moment


def _attempt(outcome: Outcome, kind: AttemptOutcome) -> Attempt:
    spent = outcome.spent
    return Attempt(
        run_id=outcome.run.id,
        number=outcome.run.attempt,
        outcome=kind,
        worker=outcome.worker,
        model=spent.model,
        started_at=spent.started_at,
        finished_at=Now(),
        latency_ms=spent.latency_ms,
        first_token_ms=spent.first_token_ms,
        steps=spent.steps,
        input_tokens=spent.usage.input_tokens,
        output_tokens=spent.usage.output_tokens,
        cached_tokens=spent.usage.cached_tokens,
        reasoning_tokens=spent.usage.reasoning_tokens,
        cost=spent.cost,
        request_id=spent.request_id,
        error_code=outcome.error_code,
        error_message=outcome.error_message,
    )


def _write_attempts(outcomes: Sequence[Outcome]) -> None:
    insert_attempts(outcomes)
    RunEvent.objects.bulk_create(
        RunEvent(
            run_id=outcome.run.id, attempt=outcome.run.attempt, kind=event.kind, data=event.data, created_at=event.at
        )
        for outcome in outcomes
        for event in outcome.spent.events
    )


def _write_late_attempts(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Record attempts whose result is refused; return those whose cost was not recorded before.

    The reaper may have recorded the attempt as crashed, without knowing what it cost.
    """
    if not outcomes:
        return []
    states = dict(Run.objects.filter(pk__in=[o.run.id for o in outcomes]).values_list("pk", "state"))
    priced = [outcome for outcome in outcomes if outcome.run.id in states and _record_late(outcome, states)]
    for outcome in priced:
        spent = outcome.spent
        Run.objects.filter(pk=outcome.run.id).update(
            cost=F("cost") + spent.cost,
            **{name: F(name) + getattr(spent.usage, name) for name in TOKENS},
        )
    return priced


def _record_late(outcome: Outcome, states: Mapping[int, str]) -> bool:
    cancelled = states[outcome.run.id] == RunState.CANCELLED
    kind = AttemptOutcome.CANCELLED if cancelled else AttemptOutcome.STALE
    attempt = _attempt(outcome, kind)
    known = Attempt.objects.filter(run_id=outcome.run.id, number=outcome.run.attempt)
    if not known.exists():
        attempt.save(force_insert=True)
        return True
    unpriced = known.filter(UNPRICED)
    values = {name: getattr(attempt, name) for name in ("outcome", "latency_ms", "steps", *TOKENS)}
    return bool(
        unpriced.update(
            **values, cost=attempt.cost, model=attempt.model, request_id=attempt.request_id, worker=attempt.worker
        )
    )


def _write_counts(fresh: Sequence[Outcome], late: Sequence[Outcome]) -> None:
    """Add to the batches' counts what changed. Runs are locked before batches everywhere, so nobody deadlocks."""
    deltas: dict[int, dict[str, int | Decimal]] = defaultdict(lambda: defaultdict(int))
    for outcome in (*fresh, *late):
        if outcome.run.batch_id is not None:
            delta = deltas[outcome.run.batch_id]
            delta["cost"] += outcome.spent.cost
            for name in TOKENS:
                delta[name] += getattr(outcome.spent.usage, name)
    for outcome in fresh:
        if outcome.run.batch_id is not None and outcome.state in TERMINAL_RUN_STATES:
            deltas[outcome.run.batch_id][outcome.state] += 1
    add_to_batches(deltas)


def _pause_batches(outcomes: Sequence[Outcome]) -> None:
    """Pause the running batches that cannot go on, each with the first reason; resuming goes on where they stopped."""
    reasons: dict[int, str] = {}
    for outcome in outcomes:
        if outcome.pause_reason is not None and outcome.run.batch_id is not None:
            reasons.setdefault(outcome.run.batch_id, outcome.pause_reason)
    for batch_id, reason in sorted(reasons.items()):
        running = Batch.objects.filter(pk=batch_id, state=BatchState.RUNNING)
        if running.update(state=BatchState.PAUSED, state_reason=reason, updated_at=Now()):
            # Not waited for: it is this very process that has to act.
            tell_changed(batch_id, patience=0.0)
            note_batch_event(batch_id, EventType.BATCH_PAUSED)
            log.warning("batch_paused", batch_id=batch_id, reason=reason)


def add_to_batches(deltas: Mapping[int, Mapping[str, int | Decimal]]) -> None:
    """Add `deltas` (batch id -> field -> amount) to the batches' counts, and finalise those with no row left.

    To be called in the transaction that changes the rows, after them.
    """
    for batch_id in sorted(deltas):
        Batch.objects.filter(pk=batch_id).update(
            **{name: F(name) + amount for name, amount in deltas[batch_id].items()}
        )
    for batch_id in ended_batches(deltas.keys()) if deltas else ():
        publish_finalize(batch_id)


def ended_batches(batch_ids: Collection[int]) -> list[int]:
    """Return those of the live batches `batch_ids` whose every row has ended, by their counts."""
    done = F("succeeded") + F("failed") + F("cancelled") + F("expired")
    ended = Batch.objects.filter(Q(total__lte=done), pk__in=list(batch_ids), state__in=LIVE_STATES)
    return list(ended.values_list("pk", flat=True))
