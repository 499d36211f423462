"""Watching a batch while the database comes and goes."""

import io

import pytest
from django.db import InterfaceError, OperationalError
from rich.console import Console

from batches.management import watching
from batches.management.watching import NO_DATABASE, PatientRow, watch
from batches.models import Batch
from batches.states import BatchState
from tests.support.factories import make_batch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the next readings of a batch raise, one each; after these the database answers again."""
    errors: list[Exception] = []
    real = Batch.refresh_from_db

    def refresh(batch: Batch) -> None:
        if errors:
            raise errors.pop(0)
        real(batch)

    monkeypatch.setattr(Batch, "refresh_from_db", refresh)
    monkeypatch.setattr(watching, "POLL_SECONDS", 0)
    return errors


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_watching_outlives_an_outage_and_tells_of_it_once(outage: list[Exception], console: Console) -> None:
    batch = make_batch(rows=1)
    Batch.objects.update(state=BatchState.COMPLETED)
    outage += [OperationalError("server closed the connection"), InterfaceError("closed"), OperationalError("refused")]
    assert watch(batch, console).state == BatchState.COMPLETED
    assert outage == []
    assert console.file.getvalue().count(NO_DATABASE) == 1


def test_each_outage_is_told(outage: list[Exception], console: Console) -> None:
    row = PatientRow(make_batch(rows=1), console.print)
    for _ in range(2):
        outage += [OperationalError("refused"), OperationalError("refused")]
        assert [row.refresh() for _ in range(3)] == [False, False, True]
    assert console.file.getvalue().count(NO_DATABASE) == 2


def test_a_fault_that_is_no_outage_is_raised(outage: list[Exception], console: Console) -> None:
    outage.append(Batch.DoesNotExist())
    with pytest.raises(Batch.DoesNotExist):
        watch(make_batch(rows=1), console)


def test_why_a_batch_is_paused_is_said_once_with_what_to_do(
    outage: list[Exception], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(rows=1)
    Batch.objects.update(state=BatchState.PAUSED, state_reason="The key of credential 'sim' was refused.")
    states = iter([BatchState.PAUSED] * 3 + [BatchState.COMPLETED])

    watch(batch, console, is_over=lambda _: next(states) == BatchState.COMPLETED)

    assert console.file.getvalue().count("is paused: The key of credential 'sim' was refused.") == 1
    assert f"manage.py batches resume {batch.pk}" in console.file.getvalue()
