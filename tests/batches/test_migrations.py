"""Migrations beside running workers: none holds the table of runs for as long as it takes to read it."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor

from batches.models import Batch
from tests.support.factories import make_batch


def sql_of(name: str) -> str:
    """Return the statements of a migration of `batches`."""
    out = io.StringIO()
    call_command("sqlmigrate", "batches", name, stdout=out)
    return out.getvalue()


def indexes() -> set[str]:
    """Return the names of the indexes of the table of runs."""
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "batches_run"))


@pytest.mark.django_db(transaction=True)
def test_the_index_of_suspects_is_made_apart_and_without_a_transaction() -> None:
    assert "run_suspect" not in sql_of("0002")
    sql = sql_of("0003")
    assert "run_suspect" in sql
    assert "BEGIN" not in sql
    assert sql.count("INDEX CONCURRENTLY") == (2 if connection.vendor == "postgresql" else 0)


@pytest.mark.django_db(transaction=True)
def test_the_index_of_suspects_comes_and_goes_and_may_be_there_already() -> None:
    make_batch(rows=3)
    try:
        call_command("migrate", "batches", "0002", verbosity=0)
        assert "run_suspect" not in indexes()
        call_command("migrate", "batches", "0003", verbosity=0)
        assert "run_suspect" in indexes()
        # As after a migration that was interrupted, or a database that an earlier version has migrated.
        call_command("migrate", "batches", "0002", fake=True, verbosity=0)
        call_command("migrate", "batches", "0003", verbosity=0)
        assert "run_suspect" in indexes()
    finally:
        call_command("migrate", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_what_runs_and_attempts_gained_locks_one_table_at_a_time_and_reads_back() -> None:
    """Workers lock runs, then attempts and batches: a migration that held several tables could deadlock with them."""
    # SQLite has one lock for all, and builds a table anew in several steps.
    is_atomic = connection.vendor == "sqlite"
    assert [sql_of(name).startswith("BEGIN") for name in ("0005", "0006", "0008")] == [is_atomic] * 3
    batch = make_batch(rows=3)
    try:
        call_command("migrate", "batches", "0004", verbosity=0)
        call_command("migrate", "batches", "0005", verbosity=0)
        call_command("migrate", verbosity=0)
        run = batch.runs.earliest("id")
        assert (run.use_cache, run.is_cached, run.model, run.cached_tokens) == (True, False, None, 0)
    finally:
        call_command("migrate", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_the_way_back_leads_past_batches_without_a_version_and_forth_again() -> None:
    batch = make_batch(rows=3)
    unread = Batch.objects.create(owner=batch.owner, endpoint="/v1/chat/completions", input_reference="file-1")
    try:
        call_command("migrate", "batches", "0005", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert list(Batch.objects.values_list("pk", flat=True)) == [batch.pk]
    assert not Batch.objects.filter(pk=unread.pk).exists()
    assert batch.runs.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_cut_short_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL changes a table in one step")
    batch = make_batch(rows=3)
    delete = DatabaseSchemaEditor.delete_model

    def dies(*args: Any, **options: Any) -> None:
        # The new table is there and filled, the old one is not deleted yet.
        raise KeyboardInterrupt

    try:
        call_command("migrate", "batches", "0005", verbosity=0)
        monkeypatch.setattr(DatabaseSchemaEditor, "delete_model", dies)
        with pytest.raises(KeyboardInterrupt):
            call_command("migrate", "batches", "0006", verbosity=0)
        monkeypatch.setattr(DatabaseSchemaEditor, "delete_model", delete)
    finally:
        call_command("migrate", verbosity=0)
    assert batch.runs.count() == 3
