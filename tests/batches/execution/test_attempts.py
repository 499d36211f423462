"""Attempts that are written past the ORM read like those that the ORM writes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.llm.types import Usage
from batches.execution.attempts import COLUMNS, DETAIL_COLUMNS, END_COLUMN, insert_attempts
from batches.execution.outcomes import Spent
from batches.models import Attempt, AttemptOutcome
from tests.support.factories import make_batch

from .helpers import claim, failure, success

pytestmark = pytest.mark.django_db


def test_every_column_of_an_attempt_is_written() -> None:
    columns = {field.column for field in Attempt._meta.concrete_fields}
    assert columns == {"id", *COLUMNS, *DETAIL_COLUMNS, END_COLUMN}


def test_every_value_comes_back_as_it_was() -> None:
    (run,) = claim(make_batch(rows=1))
    started = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    spent = Spent(started, "key/model", Usage(7, 11), Decimal("0.000000123"), 3, 1_234, 56, "req-'1' %s", [])
    insert_attempts([replace(failure(run), spent=spent, worker="host:1:2", error_message="no % {0} \U0001f333")])
    attempt = Attempt.objects.get(run_id=run.id)
    assert (attempt.number, attempt.outcome, attempt.worker) == (run.attempt, AttemptOutcome.FAILED, "host:1:2")
    assert (attempt.model, attempt.started_at, attempt.request_id) == ("key/model", started, "req-'1' %s")
    assert (attempt.latency_ms, attempt.first_token_ms, attempt.steps) == (1_234, 56, 3)
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cost) == (7, 11, Decimal("0.000000123"))
    assert (attempt.error_code, attempt.error_message) == ("invalid_request", "no % {0} \U0001f333")
    assert abs(timezone.now() - attempt.finished_at) < timedelta(seconds=60)


def test_what_is_not_known_stays_empty() -> None:
    runs = claim(make_batch(rows=2))
    insert_attempts([success(run) for run in runs])
    known = Attempt.objects.filter(first_token_ms=None, error_code=None, error_message=None)
    assert [attempt.run_id for attempt in known] == [run.id for run in runs]
    insert_attempts([])


def test_an_attempt_is_recorded_once() -> None:
    (run,) = claim(make_batch(rows=1))
    insert_attempts([success(run)])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_attempts([success(run)])
    assert Attempt.objects.count() == 1
