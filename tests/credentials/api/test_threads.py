"""Database work of requests on threads of their own."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest
from django.db import OperationalError, connection

from credentials.api import threads
from credentials.api.threads import LONG_THREADS, at_length, in_database, stop_threads

pytestmark = pytest.mark.django_db(transaction=True)

word = ContextVar("word", default="none")


@pytest.fixture
def one_thread(settings) -> None:
    settings.ARBORETUM_API_THREADS = 1


def who() -> tuple[int, object]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return threading.get_ident(), connection.connection


async def test_a_connection_outlives_the_request(one_thread):
    first = await in_database(who)
    assert first[0] != threading.get_ident()
    assert await in_database(who) == first


async def test_context_variables_are_the_callers_and_changes_stay_there():
    word.set("mine")
    assert await in_database(word.get) == "mine"
    await in_database(word.set, "theirs")
    assert word.get() == "mine"


async def test_arguments_results_and_errors_pass():
    assert await in_database(lambda a, *, b: a - b, 5, b=3) == 2
    with pytest.raises(KeyError, match="gone"):
        await in_database({}.__getitem__, "gone")


async def test_as_many_at_once_as_the_setting_says(settings):
    stop_threads()
    settings.ARBORETUM_API_THREADS = 3
    at_once, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1

    await asyncio.gather(*(in_database(work) for _ in range(12)))
    assert most == 3


async def test_a_connection_that_is_too_old_is_dropped(monkeypatch, one_thread):
    monkeypatch.setattr(threads, "CONN_MAX_AGE", 0)
    stop_threads()
    await in_database(who)
    assert await in_database(lambda: connection.connection) is None


async def test_a_connection_that_broke_after_a_silence_is_replaced(monkeypatch, one_thread):
    monkeypatch.setattr(threads, "UNCHECKED_SECONDS", 0.0)
    _, first = await in_database(who)
    await in_database(lambda: connection.connection.close())
    if connection.vendor == "sqlite":
        # SQLite's wrapper takes every connection for usable; the error of the first query tells.
        with pytest.raises(Exception, match="closed"):
            await in_database(who)
        return
    assert (await in_database(who))[1] is not first


async def test_a_connection_on_which_a_query_failed_is_looked_at(one_thread):
    def fail():
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere_at_all")

    with pytest.raises((OperationalError, Exception), match="nowhere_at_all"):
        await in_database(fail)
    assert await in_database(who)


async def test_what_takes_long_keeps_no_short_call_waiting(one_thread):
    stop_threads()
    go_on = threading.Event()
    long = [asyncio.create_task(at_length(go_on.wait)) for _ in range(LONG_THREADS + 1)]
    try:
        assert await asyncio.wait_for(in_database(who), 10)
    finally:
        go_on.set()
        await asyncio.gather(*long)
