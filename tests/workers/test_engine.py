"""The engine: coroutines from any thread, one database thread, and group commits."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from django.db import OperationalError

from workers.coalesce import Coalescer
from workers.engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine()
    yield running
    running.stop()


def test_work_from_many_threads_runs_in_one_loop(engine: Engine) -> None:
    async def where() -> int:
        await asyncio.sleep(0.01)
        return threading.get_ident()

    futures = [engine.submit(where()) for _ in range(50)]
    assert len({future.result(timeout=5) for future in futures}) == 1


def test_the_database_is_used_from_one_thread_and_errors_come_back(engine: Engine) -> None:
    def ident() -> int:
        return threading.get_ident()

    def broken() -> int:
        raise ValueError("wrong")

    idents = {engine.submit(engine.run_db(ident)).result(timeout=5) for _ in range(5)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    with pytest.raises(ValueError, match="wrong"):
        engine.submit(engine.run_db(broken)).result(timeout=5)


def test_a_lost_database_is_waited_for(engine: Engine) -> None:
    calls: list[float] = []

    def flaky() -> str:
        calls.append(time.monotonic())
        if len(calls) < 3:
            raise OperationalError("server closed the connection")
        return "stored"

    assert engine.submit(engine.run_db(flaky)).result(timeout=10) == "stored"
    assert len(calls) == 3
    assert calls[2] - calls[1] > calls[1] - calls[0]


def test_stopping_cancels_what_is_under_way() -> None:
    engine = Engine()
    future = engine.submit(asyncio.sleep(60))
    time.sleep(0.05)
    engine.stop()
    assert future.cancelled()


def test_items_of_a_moment_share_one_flush_and_get_their_own_result(engine: Engine) -> None:
    groups: list[list[int]] = []

    def flush(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        time.sleep(0.05)
        return [item * 2 for item in items]

    coalescer: Coalescer[int, int] = Coalescer(engine, flush, interval=0.02, max_items=100)

    async def ask() -> list[int]:
        return await asyncio.gather(*(coalescer.submit(number) for number in range(250)))

    assert engine.submit(ask()).result(timeout=10) == [number * 2 for number in range(250)]
    assert [len(group) for group in groups] == [100, 100, 50]


def test_a_burst_that_is_over_does_not_wait_for_its_time(engine: Engine) -> None:
    coalescer: Coalescer[int, int] = Coalescer(engine, list, interval=2.0)

    async def ask() -> float:
        started = time.monotonic()
        await asyncio.gather(*(coalescer.submit(number) for number in range(20)))
        return time.monotonic() - started

    # The first group waits little in any case; what follows a group of 20 would wait for 2 s if more came.
    engine.submit(ask()).result(timeout=10)
    assert 0.3 < engine.submit(ask()).result(timeout=10) < 1.5


def test_a_bad_item_fails_alone(engine: Engine) -> None:
    def flush(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("bad item")
        return list(items)

    coalescer: Coalescer[int, int] = Coalescer(engine, flush, interval=0.01)

    async def ask() -> list[int | BaseException]:
        return await asyncio.gather(*(coalescer.submit(number) for number in range(50)), return_exceptions=True)

    results = engine.submit(ask()).result(timeout=10)
    assert isinstance(results[13], ValueError)
    assert [result for result in results if isinstance(result, int)] == [n for n in range(50) if n != 13]


def test_a_group_is_bounded_by_size_too(engine: Engine) -> None:
    groups: list[int] = []

    def flush(items: Sequence[int]) -> list[int]:
        groups.append(sum(items))
        return list(items)

    coalescer: Coalescer[int, int] = Coalescer(engine, flush, interval=0.01, size_of=lambda item: item, max_size=100)

    async def ask() -> None:
        await asyncio.gather(*(coalescer.submit(size) for size in (60, 30, 20, 500, 10)))

    engine.submit(ask()).result(timeout=10)
    assert groups == [90, 20, 500, 10]


def test_a_stopping_process_gives_a_lost_database_up(engine: Engine) -> None:
    def lost() -> None:
        raise OperationalError("gone")

    engine.give_up(0.3)
    started = time.monotonic()
    with pytest.raises(OperationalError):
        engine.submit(engine.run_db(lost)).result(timeout=10)
    assert time.monotonic() - started < 3


def test_a_caller_that_gives_up_does_not_disturb_the_group(engine: Engine) -> None:
    coalescer: Coalescer[int, int] = Coalescer(engine, list, interval=0.05)

    async def ask() -> int:
        given_up = asyncio.ensure_future(coalescer.submit(1))
        kept = asyncio.ensure_future(coalescer.submit(2))
        await asyncio.sleep(0)
        given_up.cancel()
        return await kept

    assert engine.submit(ask()).result(timeout=10) == 2
