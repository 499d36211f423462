"""The broker's transport on a real server: what was taken and not begun is not lost, and leaves no copy in Redis."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue

from arboretum.celery import app
from workers.broker import Transport
from workers.redis import connection

QUEUE = Queue("tested", routing_key="tested")


@pytest.fixture
def broker() -> Iterator[Connection]:
    with app.connection_for_write() as found:
        yield found


def publish(broker: Connection, *numbers: int) -> None:
    with broker.Producer() as producer:
        for number in numbers:
            producer.publish(number, routing_key="tested", declare=[QUEUE])


def take(broker: Connection, count: int) -> tuple[Any, list[Any]]:
    """Take messages and acknowledge none; return the channel and the messages."""
    taken: list[Any] = []
    channel = broker.channel()
    channel.basic_qos(0, count, False)
    consumer = Consumer(channel, [QUEUE], callbacks=[lambda body, message: taken.append(message)])
    consumer.consume()
    for _ in range(count):
        broker.drain_events(timeout=5)
    return channel, taken


def test_the_transport_is_in_use(broker: Connection) -> None:
    assert isinstance(broker.transport, Transport)


def test_a_message_that_was_taken_has_no_copy_in_redis(broker: Connection) -> None:
    publish(broker, 1)
    channel, (message,) = take(broker, 1)
    assert not [key for key in connection().scan_iter() if b"unacked" in key and b"mutex" not in key]
    message.ack()
    channel.close()
    assert connection().llen("tested") == 0


def test_what_was_not_begun_goes_back_in_its_order(broker: Connection) -> None:
    publish(broker, 1, 2, 3)
    channel, (first, *_) = take(broker, 3)
    first.ack()
    channel.close()
    assert connection().llen("tested") == 2
    _, again = take(broker, 2)
    assert [message.payload for message in again] == [2, 3]
    for message in again:
        message.ack()


def test_a_message_that_is_refused_is_offered_again(broker: Connection) -> None:
    publish(broker, 1)
    _, (message,) = take(broker, 1)
    message.reject(requeue=True)
    assert connection().llen("tested") == 1


def test_no_more_is_taken_than_may_be(broker: Connection) -> None:
    publish(broker, 1, 2, 3)
    channel, taken = take(broker, 2)
    assert not channel.qos.can_consume()
    taken[0].ack()
    assert channel.qos.can_consume()
    taken[1].ack()
