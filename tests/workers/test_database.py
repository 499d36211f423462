"""What a worker process asks of its connections."""

import time
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.signals import connection_created

from credentials.models import User
from workers.database import end_idle_transactions

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite cannot end another's transaction"),
]


@pytest.fixture
def idle_ends(settings: LazySettings) -> Iterator[None]:
    settings.ARBORETUM_LEASE_SECONDS = 0.6
    end_idle_transactions()
    connection.close()
    yield
    connection_created.disconnect(dispatch_uid="arboretum-idle-transactions")
    connection.close()


def write_and_sleep(seconds: float) -> None:
    with transaction.atomic():
        User.objects.create(username="sleeper")
        time.sleep(seconds)
        User.objects.filter(username="sleeper").update(first_name="awake")


@pytest.mark.usefixtures("idle_ends")
def test_a_transaction_that_is_left_idle_is_ended_and_can_be_run_again() -> None:
    with pytest.raises((OperationalError, InterfaceError)):
        write_and_sleep(0.8)
    connection.close()
    assert not User.objects.exists()
    write_and_sleep(0.05)
    assert User.objects.get().first_name == "awake"
