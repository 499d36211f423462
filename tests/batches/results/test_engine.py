"""The engine that reads: its own connections, no writing, many threads, no snapshot held."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest
import sqlalchemy as sa
from django.db import transaction

from batches.models import Batch
from batches.results import BatchResults
from batches.results.engine import read_engine
from batches.tables import batches

from .finished import make_finished

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_engine_is_made_once_and_reads_the_tests_database():
    assert read_engine() is read_engine()
    batch = make_finished([{}])
    with read_engine().connect() as connection:
        assert connection.execute(sa.select(batches.c.id)).scalars().all() == [batch.pk]


def test_a_statement_that_writes_fails():
    make_finished([{}])
    with (
        pytest.raises(sa.exc.DBAPIError, match=r"read-?only"),
        read_engine().begin() as connection,
    ):
        connection.execute(sa.update(batches).values(name="changed"))
    assert not Batch.objects.filter(name="changed").exists()


def test_what_is_not_committed_is_not_seen():
    batch = make_finished([{}])
    with transaction.atomic():
        Batch.objects.update(total=99)
        assert BatchResults(batch).counts().total == 1


def test_threads_share_an_engine():
    batch = make_finished([{"output": str(index)} for index in range(50)])

    def outputs(_):
        return [record["output"] for record in BatchResults(batch)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outputs, range(24))) == [[str(index) for index in range(50)]] * 24


def _count_in_child(batch: Batch, answers) -> None:
    answers.put(sum(1 for _ in BatchResults(batch)))


def test_an_engine_survives_a_fork():
    batch = make_finished([{} for _ in range(3)])
    assert sum(1 for _ in BatchResults(batch)) == 3
    context = get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_count_in_child, args=(batch, answers))
    child.start()
    assert answers.get() == 3
    child.join(10)
    assert sum(1 for _ in BatchResults(batch)) == 3


def test_a_reader_that_pauses_holds_no_connection_and_blocks_no_writer(monkeypatch):
    monkeypatch.setattr("batches.results.selection.PIECE_ROWS", 10)
    batch = make_finished([{} for _ in range(30)])
    opened = []
    sa.event.listen(read_engine(), "checkout", lambda *args: opened.append(1))
    sa.event.listen(read_engine(), "checkin", lambda *args: opened.append(-1))
    reading = iter(BatchResults(batch))
    next(reading)
    assert opened
    assert sum(opened) == 0
    Batch.objects.filter(pk=batch.pk).update(name="written meanwhile")
    assert sum(1 for _ in reading) == 29
