"""Iterators that run in a thread while what they yield is sent."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from batches.downloads import in_thread


class Source:
    """An iterator of parts that remembers in which threads it ran, and whether it was closed."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.threads: set[int] = set()
        self.produced = 0
        self.closed = threading.Event()

    def __call__(self) -> Iterator[bytes]:
        try:
            for number in range(self.parts):
                self.threads.add(threading.get_ident())
                self.produced += 1
                yield str(number).encode()
        finally:
            self.closed.set()


async def test_parts_come_in_order_from_one_other_thread():
    source = Source(50)

    parts = [part async for part in in_thread(source())]

    assert parts == [str(number).encode() for number in range(50)]
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


async def test_nothing_is_produced_ahead_of_the_reader():
    source = Source(1_000_000)
    stream = in_thread(source())

    await anext(stream)

    assert source.produced == 1
    await stream.aclose()


async def test_source_is_closed_when_the_reader_leaves():
    source = Source(1_000_000)
    stream = in_thread(source())
    await anext(stream)
    await stream.aclose()

    assert await asyncio.to_thread(source.closed.wait, 5)


async def test_source_is_closed_when_the_reader_leaves_in_the_middle_of_a_step():
    entered, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        try:
            entered.set()
            go_on.wait(5)
            yield b"late"
        finally:
            closed.set()

    stream = in_thread(slow())
    step = asyncio.ensure_future(anext(stream))
    await asyncio.to_thread(entered.wait, 5)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    go_on.set()

    assert await asyncio.to_thread(closed.wait, 5)


async def test_errors_of_the_source_reach_the_reader():
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OSError("disk")

    stream = in_thread(broken())
    assert await anext(stream) == b"a"
    with pytest.raises(OSError, match="disk"):
        await anext(stream)
