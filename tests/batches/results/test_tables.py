"""The typed tables against what Django's migrations made, on whichever database the tests run."""

import pytest
import sqlalchemy as sa
from django.apps import apps

from batches.results.engine import read_engine
from batches.tables import metadata, runs

# Columns that the read side leaves out for a reason; every other column of a model must be there.
LEFT_OUT = {
    # Nothing that reads results may come near a key, or tell what a credential is for.
    "credentials_credential": {
        "encrypted_key", "key_id", "last_four", "organisation", "is_active", "created_at", "updated_at", "checked_at",
        "blocked_until",
    },
    "agents_agent": {"description", "updated_at"},
    "agents_agentversion": {"max_steps", "max_tokens", "max_cost", "retry", "note", "created_by_id"},
    "agents_poolmember": set(),
    # How it was scheduled; its pilot's rows are rows as all others are.
    "batches_batch": {
        "state_reason", "priority", "weight", "is_mixed", "max_cost", "input_bytes", "skipped_rows", "metadata",
        "pilot", "completion_window", "output_expires_seconds", "problems",
        "input_file_id", "input_reference", "reading", "tells_rows",
        "output_expires_at", "output_bytes", "error_bytes", "is_output_deleted", "is_error_deleted",
        "updated_at", "finalizing_at", "cancelling_at", "expires_at",
    },
    # How a run is executed is no result.
    "batches_run": {"lease_id", "token", "not_before", "reserved_cost"},
    "batches_attempt": {"request_id"},
}  # fmt: skip
# What a column of a kind may be in a database; the first kind that fits counts, as Text is a String.
KINDS = {
    sa.JSON: (sa.JSON, sa.Text),
    sa.DateTime: (sa.DateTime,),
    sa.Float: (sa.Float,),
    sa.Numeric: (sa.Numeric,),
    sa.Boolean: (sa.Boolean,),
    sa.Integer: (sa.Integer,),
    sa.Text: (sa.Text,),
    sa.String: (sa.String,),
}

pytestmark = pytest.mark.django_db(transaction=True)


def kind_of(column: sa.Column) -> type:
    """Return the plain SQL kind of a column of ours."""
    of_type = column.type.impl_instance if isinstance(column.type, sa.TypeDecorator) else column.type
    return next(kind for kind in KINDS if isinstance(of_type, kind))


@pytest.mark.parametrize("table", metadata.tables.values(), ids=lambda table: table.name)
def test_each_column_is_in_the_database_with_a_fitting_type(table):
    stored = {column["name"]: column for column in sa.inspect(read_engine()).get_columns(table.name)}
    for column in table.columns:
        assert column.name in stored, f"{table.name} has no column {column.name}"
        found = stored[column.name]
        assert isinstance(found["type"], KINDS[kind_of(column)]), (column.name, found["type"])
        assert found["nullable"] == column.nullable, column.name
        if isinstance(column.type, sa.String) and column.type.length:
            assert found["type"].length == column.type.length, column.name


@pytest.mark.parametrize("table", metadata.tables.values(), ids=lambda table: table.name)
def test_each_column_of_a_model_is_there_or_left_out_on_purpose(table):
    (model,) = [model for model in apps.get_models() if model._meta.db_table == table.name]
    declared = {field.column for field in model._meta.concrete_fields}
    assert declared - set(table.columns.keys()) == LEFT_OUT[table.name]


def test_moments_and_money_come_back_as_django_stores_them():
    from batches.models import Run
    from tests.support.factories import make_batch

    batch = make_batch(rows=1)
    Run.objects.of_batch(batch.pk).update(cost="0.123456789", parsed={"a": [1]})
    stored = Run.objects.of_batch(batch.pk).get()
    with read_engine().connect() as connection:
        read = connection.execute(sa.select(runs).where(runs.c.id == stored.pk)).one()
        found = connection.execute(sa.select(runs.c.id).where(runs.c.created_at == stored.created_at)).all()
    assert (read.cost, read.parsed, read.created_at) == (stored.cost, {"a": [1]}, stored.created_at)
    assert read.created_at.tzinfo is not None
    assert [row.id for row in found] == [stored.pk]
