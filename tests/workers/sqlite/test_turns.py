"""Every process gets its turn at SQLite's write lock."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from credentials.models import User

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL has no such lock"),
]


@contextmanager
def greedy_writer(holds: float, rests: float) -> Iterator[None]:
    """Have another connection hold the lock again and again, with hardly a rest."""
    path, stopped = str(connection.settings_dict["NAME"]), threading.Event()

    def write() -> None:
        with sqlite3.connect(path, timeout=30, isolation_level=None) as other:
            while not stopped.is_set():
                other.execute("BEGIN IMMEDIATE")
                time.sleep(holds)
                other.execute("COMMIT")
                time.sleep(rests)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stopped.set()
        writer.join()


def test_who_waits_for_the_lock_gets_it_soon_though_another_takes_it_again_and_again() -> None:
    with greedy_writer(holds=0.02, rests=0.002):
        began = time.monotonic()
        for number in range(30):
            with transaction.atomic():
                User.objects.create(username=f"user-{number}")
            # The other one is at it again.
            time.sleep(0.01)
        passed = time.monotonic() - began
    # About a turn of the other each; SQLite's own wait took several seconds.
    assert passed < 1.8
    assert User.objects.count() == 30


def test_a_lock_that_is_not_given_up_in_time_is_said_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    with greedy_writer(holds=1.0, rests=0.0):
        time.sleep(0.1)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
            User.objects.create(username="late")
        assert 0.2 <= time.monotonic() - began < 0.8


def test_a_single_statement_still_waits_for_as_long_as_it_may() -> None:
    with transaction.atomic():
        User.objects.create(username="one")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (30_000,)
    with greedy_writer(holds=0.3, rests=0.05):
        User.objects.filter(username="one").update(first_name="Waited")
    assert User.objects.get().first_name == "Waited"
