"""The bus on a real server: what is told is heard once and in order, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.waiting import wait_for
from workers.bus import publisher as publisher_module
from workers.bus.publisher import Publisher
from workers.bus.reader import Reader, reader
from workers.bus.script import write_sync
from workers.bus.subscription import MOST_QUEUED, Subscription
from workers.bus.topics import KEPT_MESSAGES, KEPT_SECONDS, key_of
from workers.embedded.valkey import EmbeddedValkey
from workers.redis import close_async_connection, connection

SECONDS = 10.0


@pytest.fixture
async def bus() -> AsyncIterator[tuple[Publisher, Reader]]:
    """A publisher and a reader of one loop."""
    publisher, own_reader = Publisher(), Reader()
    yield publisher, own_reader
    await publisher.flush(SECONDS)
    await own_reader.aclose()
    await close_async_connection()


async def take(subscription: Subscription, number: int) -> list[bytes]:
    """Return the next `number` messages' data."""
    found = []
    for _ in range(number):
        message = await subscription.next(SECONDS)
        assert message is not None, f"only {len(found)} of {number} came"
        found.append(message.data)
    return found


def numbers(first: int, after: int) -> list[bytes]:
    """Return numbers as messages."""
    return [b"%d" % number for number in range(first, after)]


async def test_what_was_told_before_and_after_is_heard_in_order(bus) -> None:
    publisher, own_reader = bus
    for data in numbers(0, 5):
        publisher.tell("run:1", data)
    await publisher.flush(SECONDS)
    with own_reader.listen("run:1") as subscription:
        for data in numbers(5, 300):
            publisher.tell("run:1", data)
        assert await take(subscription, 300) == numbers(0, 300)
        assert await subscription.next(0.05) is None


async def test_messages_of_other_topics_are_not_heard(bus) -> None:
    publisher, own_reader = bus
    with own_reader.listen("run:1") as first, own_reader.listen("run:2") as second:
        publisher.tell("run:2", b"two")
        publisher.tell("run:1", b"one")
        assert await take(first, 1) == [b"one"]
        assert await take(second, 1) == [b"two"]
        assert await first.next(0.05) is None


async def test_a_listener_goes_on_after_the_message_that_he_heard_last(bus) -> None:
    publisher, own_reader = bus
    for data in numbers(0, 450):
        publisher.tell("run:1", data)
    with own_reader.listen("run:1") as subscription:
        seen = [await subscription.next(SECONDS) for _ in range(3)]
    assert seen[-1] is not None
    with own_reader.listen("run:1", after=seen[-1].id) as subscription:
        assert await take(subscription, 447) == numbers(3, 450)


async def test_several_listeners_of_a_topic_hear_the_same_each(bus) -> None:
    publisher, own_reader = bus
    with own_reader.listen("run:1") as first:
        publisher.tell("run:1", b"a")
        assert await take(first, 1) == [b"a"]
        with own_reader.listen("run:1") as second:
            publisher.tell("run:1", b"b")
            assert await take(second, 2) == [b"a", b"b"]
        publisher.tell("run:1", b"c")
        assert await take(first, 2) == [b"b", b"c"]


async def test_nobody_listens_on_the_server_when_all_have_left(bus) -> None:
    publisher, own_reader = bus
    with own_reader.listen("run:1") as subscription:
        publisher.tell("run:1", b"a")
        await take(subscription, 1)
        assert connection().pubsub_numsub(key_of("run:1")) == [(key_of("run:1").encode(), 1)]
    with own_reader.listen("run:2") as subscription:
        publisher.tell("run:2", b"a")
        await take(subscription, 1)
        assert connection().pubsub_numsub(key_of("run:1")) == [(key_of("run:1").encode(), 0)]


async def test_a_slow_listener_holds_little_and_misses_nothing(bus) -> None:
    publisher, own_reader = bus
    with own_reader.listen("run:1") as slow, own_reader.listen("run:1") as quick:
        for first in range(0, 3000, 100):
            for data in numbers(first, first + 100):
                publisher.tell("run:1", data)
            assert await take(quick, 100) == numbers(first, first + 100)
        assert len(slow._queue) <= MOST_QUEUED + 200
        assert await take(slow, 3000) == numbers(0, 3000)
        publisher.tell("run:1", b"last")
        assert await take(slow, 1) == [b"last"]


def test_streams_are_trimmed_and_expire() -> None:
    for first in range(0, KEPT_MESSAGES + 1000, 1000):
        write_sync([("run:1", data) for data in numbers(first, first + 1000)])
    assert KEPT_MESSAGES <= connection().xlen(key_of("run:1")) < KEPT_MESSAGES + 500
    assert 0 < connection().ttl(key_of("run:1")) <= KEPT_SECONDS


async def test_many_messages_told_at_once_take_few_calls(bus) -> None:
    publisher, _ = bus
    connection().config_resetstat()
    for number in range(400):
        publisher.tell(f"run:{number}", b"x")
    await publisher.flush(SECONDS)
    stats = connection().info("commandstats")
    assert sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")) <= 4


async def test_a_restart_of_the_server_costs_no_message(embedded: EmbeddedValkey, settings, bus) -> None:
    publisher, own_reader = bus
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    with own_reader.listen("run:1") as subscription:
        for data in numbers(0, 3):
            publisher.tell("run:1", data)
        assert await take(subscription, 3) == numbers(0, 3)
        await asyncio.to_thread(embedded.stop)
        # Telling waits for nobody, and what is told now arrives when the server is back.
        for data in numbers(3, 6):
            publisher.tell("run:1", data)
        assert await subscription.next(0.2) is None
        await asyncio.to_thread(embedded.ensure)
        for data in numbers(6, 9):
            publisher.tell("run:1", data)
        assert await take(subscription, 6) == numbers(3, 9)
        # What the stream held may have been read before the line was back.
        await asyncio.to_thread(wait_for, lambda: own_reader.is_connected, 10, "the line to be back")


async def test_who_begins_to_listen_while_the_server_is_away_hears_what_comes(
    embedded: EmbeddedValkey, settings, bus
) -> None:
    publisher, own_reader = bus
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    with own_reader.listen("run:1") as subscription:
        publisher.tell("run:1", b"a")
        assert await subscription.next(0.1) is None
        assert not own_reader.is_connected
        await asyncio.to_thread(embedded.ensure)
        assert await take(subscription, 1) == [b"a"]


async def test_what_waits_for_a_server_that_is_away_is_bounded(
    embedded: EmbeddedValkey, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "MOST_WAITING_BYTES", 10_000)
    monkeypatch.setattr(publisher_module, "LATE_SECONDS", 0.5)
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    publisher = Publisher()
    for _ in range(100):
        publisher.tell("run:1", b"x" * 1000)
    assert publisher.waiting <= 10
    await asyncio.to_thread(wait_for, lambda: publisher.waiting == 0, SECONDS, "what is late to be given up")
    await close_async_connection()


async def test_each_loop_has_one_reader() -> None:
    assert reader() is reader()
    await reader().aclose()


async def test_who_is_first_reads_nothing_and_misses_nothing(bus) -> None:
    publisher, own_reader = bus
    with own_reader.listen("run:0") as other:
        publisher.tell("run:0", b"x")
        await take(other, 1)
    connection().config_resetstat()
    subscription = own_reader.subscribe("run:1", is_first=True)
    await asyncio.to_thread(
        wait_for, lambda: connection().pubsub_numsub(key_of("run:1"))[0][1] == 1, SECONDS, "the server to know"
    )
    publisher.tell("run:1", b"a")
    assert await take(subscription, 1) == [b"a"]
    assert "cmdstat_xrange" not in connection().info("commandstats")
    own_reader.leave(subscription)


async def test_who_is_not_first_any_more_reads_what_was_told_before(bus) -> None:
    publisher, own_reader = bus
    publisher.tell("run:1", b"a")
    await publisher.flush(SECONDS)
    subscription = own_reader.subscribe("run:1", is_first=True)
    subscription.is_first = False
    assert await take(subscription, 1) == [b"a"]
    own_reader.leave(subscription)
