"""Many attempts at once, past the ORM: model objects and their SQL were two thirds of what storing an outcome took."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from batches.models import Attempt

from .clock import sql_now
from .outcomes import Outcome

_Value = str | int | float | datetime | None
# In the order of `_row`; an attempt also has its end, which the database's clock tells.
COLUMNS = (
    "run_id",
    "number",
    "outcome",
    "worker",
    "model",
    "started_at",
    "latency_ms",
    "first_token_ms",
    "steps",
    "input_tokens",
    "output_tokens",
    "cost",
    "request_id",
    "error_code",
    "error_message",
)
# Stored where an attempt of the group has any.
DETAIL_COLUMNS = ("cached_tokens", "reasoning_tokens")
END_COLUMN = "finished_at"


def insert_attempts(outcomes: Sequence[Outcome]) -> None:
    """Insert the attempts of `outcomes`, ended at this moment of the database's clock, in the transaction that is open.

    Raises IntegrityError where one was recorded before.
    """
    if not outcomes:
        return
    table = connection.ops.quote_name(Attempt._meta.db_table)
    has_details = any(outcome.spent.has_details for outcome in outcomes)
    columns = COLUMNS + DETAIL_COLUMNS if has_details else COLUMNS
    row = f"({', '.join(['%s'] * len(columns))}, {sql_now()})"
    statement = f"INSERT INTO {table} ({', '.join(columns)}, {END_COLUMN}) VALUES "  # noqa: S608 - constants alone
    parameters: list[_Value] = []
    for outcome in outcomes:
        parameters += _row(outcome)
        if has_details:
            parameters += (outcome.spent.usage.cached_tokens, outcome.spent.usage.reasoning_tokens)
    with connection.cursor() as cursor:
        # One statement: with one for each row the thread would let go of the interpreter at each, the database locked.
        cursor.execute(statement + ", ".join([row] * len(outcomes)), parameters)


def _row(outcome: Outcome) -> tuple[_Value, ...]:
    run, spent = outcome.run, outcome.spent
    return (
        run.id,
        run.attempt,
        str(outcome.kind),
        outcome.worker,
        spent.model,
        connection.ops.adapt_datetimefield_value(spent.started_at),
        spent.latency_ms,
        spent.first_token_ms,
        spent.steps,
        spent.usage.input_tokens,
        spent.usage.output_tokens,
        str(spent.cost),
        spent.request_id,
        outcome.error_code,
        outcome.error_message,
    )
