"""What a worker process says of itself, and how it meets a database that it cannot use."""

import re
import sqlite3
from types import SimpleNamespace

import pytest
from celery import current_app
from django.conf import LazySettings
from django.db import OperationalError
from django.utils import timezone

from batches import worker
from batches.execution.slots import Slots
from batches.models import Leadership
from batches.worker import Caretaker
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers
from workers.presence import live_workers


@pytest.mark.any_database
@pytest.mark.worker
def test_a_worker_announces_the_queues_that_it_serves_now(worker_env: dict[str, str]) -> None:
    with Workers(1, env=worker_env, arguments=("-Q", "interactive,control")):
        wait_for(lambda: len(live_workers()) == 1, 10, "the worker to be announced")
        assert live_workers()[0].queues == {"interactive", "control"}
        assert live_workers("batch") == []
        current_app.control.cancel_consumer("interactive", reply=True, timeout=5)
        wait_for(lambda: live_workers("interactive") == [], 10, "the queue to be given up")


@pytest.mark.any_database
@pytest.mark.worker
def test_a_worker_waits_for_a_database_that_does_not_answer(worker_env: dict[str, str]) -> None:
    env = {**worker_env, "DATABASE_URL": "postgresql://arboretum:hunter2@127.0.0.1:1/arboretum"}
    with Workers(1, env=env) as workers:
        wait_for(lambda: "sweep_failed" in workers.log(0), 15, "the first sweep")
        log = workers.log(0)
    assert re.search(r"database_unavailable.*OperationalError", log)
    assert "refused" in log
    assert "hunter2" not in log


def test_of_failures_in_a_row_the_first_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, str]] = []
    monkeypatch.setattr(worker.log, "warning", lambda event, **facts: said.append(facts), raising=False)
    caretaker = Caretaker(None, current_app)
    first, other = OperationalError("no such table: x\nLINE 1: SELECT 'secret'"), sqlite3.InterfaceError("closed")
    for error in (first, first, other, first):
        caretaker._tell_failure("sweep_failed", error)
        caretaker._try(lambda: None, "announce_failed")
    assert [facts.get("reason") for facts in said] == ["no such table: x", None, "closed", "no such table: x"]


class OtherQueues:
    """What a worker consumes, as it looks while `add_consumer` changes it."""

    @property
    def consume_from(self) -> dict[str, object]:
        raise RuntimeError("dictionary changed size during iteration")


@pytest.mark.django_db(transaction=True)
def test_nothing_that_fails_ends_the_caretaker_and_a_leader_resigns_all_the_same(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    # Nobody listens there, so the process can neither be announced nor withdrawn.
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.05)
    said: list[str] = []
    monkeypatch.setattr(worker.log, "warning", lambda event, **facts: said.append(event), raising=False)
    process = SimpleNamespace(process="me", slots=Slots(5), running=0, is_draining=False)
    caretaker = Caretaker(process, SimpleNamespace(amqp=SimpleNamespace(queues=OtherQueues())))
    caretaker.start()
    mine = Leadership.objects.filter(holder="me")
    wait_for(lambda: said.count("announce_failed") >= 3 and mine.exists(), 5, "some rounds")
    assert caretaker.is_alive()
    caretaker.finish()
    assert not caretaker.is_alive()
    assert said.count("leave_failed") == 1
    assert mine.get().expires_at <= timezone.now()
