"""Runs inserted past the ORM are what the ORM would have made of them, whatever their texts hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batches.bulk_insert import NewRun, insert_runs
from batches.ids import batch_run_id
from batches.models import Batch, Run
from tests.support.factories import make_batch

pytestmark = pytest.mark.django_db

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HOSTILE = [
    "\\N",
    "\\.",
    "a\n\\.\nb",
    "\\",
    "\\\\n",
    "tab\there",
    "line\r\nends\n\r",
    "'single' \"double\" ''",
    "%s %(name)s ? :1 $1 {}",
    "\x01\x08\x0b\x0c\x1b\x7f\x85\u2028",
    "naïve 木 \U0001f333 \ufeff\uffff",
    "",
    " ",
    "NULL",
]


def new_run(batch: Batch, index: int, custom_id: str | None = None, input_json: str = "{}") -> NewRun:
    return batch_run_id(batch.pk, index), index, custom_id, input_json, batch.version.pk


def stored_columns(run_id: int) -> dict[str, tuple[object, str]]:
    """Return by column what a run's row holds in the database, with its type there."""
    kind = "typeof" if connection.vendor == "sqlite" else "pg_typeof"
    columns = [field.column for field in Run._meta.concrete_fields]
    names = ", ".join(f'"{column}", CAST({kind}("{column}") AS text)' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM batches_run WHERE id = %s", [run_id])
        found = cursor.fetchone()
    return {column: (found[2 * place], found[2 * place + 1]) for place, column in enumerate(columns)}


def assert_same_as_orm(batch: Batch) -> None:
    """Insert a run and make one through the ORM; their rows must be equal."""
    insert_runs(batch, [new_run(batch, 0, "a", '{"text":"x"}')])
    Run.objects.create(
        id=batch_run_id(batch.pk, 1),
        index=1,
        custom_id="a",
        input_json='{"text":"x"}',
        batch=batch,
        owner=batch.owner,
        agent_version=batch.agent_version,
        created_at=Now(),
    )
    first, second = (stored_columns(batch_run_id(batch.pk, index)) for index in (0, 1))
    for own in ("id", "index", "created_at"):
        assert first.pop(own)[1] == second.pop(own)[1]
    assert first == second
    one, other = Run.objects.of_batch(batch.pk)
    assert abs(one.created_at - other.created_at) < timedelta(seconds=5)


def test_an_inserted_run_equals_one_made_through_the_orm_in_every_column() -> None:
    assert_same_as_orm(make_batch(rows=0))


def test_inserted_runs_follow_the_defaults_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {
        "tries": 7,
        "reserved_cost": Decimal("0.000000001"),
        "output": HOSTILE[2],
        "parsed": {"text": "tab\there \\N", "none": None},
        "not_before": datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
    }
    for name, value in defaults.items():
        monkeypatch.setattr(Run._meta.get_field(name), "_get_default", lambda value=value: value)
    batch = make_batch(rows=0)
    assert_same_as_orm(batch)
    stored = Run.objects.of_batch(batch.pk)[0]
    assert {name: getattr(stored, name) for name in defaults} == defaults


def test_hostile_texts_are_stored_as_they_are() -> None:
    batch = make_batch(rows=0)
    insert_runs(batch, [new_run(batch, index, text, text) for index, text in enumerate(HOSTILE)])
    found = list(Run.objects.of_batch(batch.pk).values_list("custom_id", "input_json"))
    assert found == [(text, text) for text in HOSTILE]


@given(st.lists(st.tuples(st.none() | texts, texts), max_size=5))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_stored_as_it_is(rows: list[tuple[str | None, str]]) -> None:
    batch = make_batch(rows=0)
    insert_runs(batch, [new_run(batch, index, *row) for index, row in enumerate(rows)])
    assert list(Run.objects.of_batch(batch.pk).values_list("custom_id", "input_json")) == rows


def test_runs_of_which_one_is_there_are_all_refused() -> None:
    batch = make_batch(rows=0)
    insert_runs(batch, [new_run(batch, 1, "first")])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_runs(batch, [new_run(batch, index, "second") for index in range(3)])
    assert list(Run.objects.values_list("index", "custom_id")) == [(1, "first")]


def test_a_transaction_that_is_undone_takes_its_runs_with_it() -> None:
    batch = make_batch(rows=0)
    with transaction.atomic():
        insert_runs(batch, [new_run(batch, 0)])
        assert Run.objects.exists()
        transaction.set_rollback(True)
    assert not Run.objects.exists()
