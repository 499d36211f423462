"""Kombu's Redis transport, made cheap for tasks that take a millisecond.

Messages are hints (ADR 6), so nothing is gained by keeping a copy of each in Redis while a process has it: that of a
process that died would come back after the visibility timeout, an hour, and maintenance offers the row after seconds.
What a process has taken and not begun when it stops goes back to its queue, from memory. And kombu makes a
`redis.Redis` each time that it writes; it holds nothing but the pool, so one serves. Together these were a quarter of
what a single run cost the worker.
"""

from typing import Any

from kombu.transport import redis as transport
from kombu.transport import virtual


class QoS(transport.QoS):
    """Which messages a channel has taken, and not begun: no more than its prefetch count allows."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Count a message that was taken."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Count a message no more."""
        virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Count a message no more, which is to be taken by somebody else where `requeue`."""
        taken: Any = self._delivered
        if requeue and delivery_tag in taken:
            self._give_back([taken[delivery_tag]], leftmost=True)
        virtual.QoS.ack(self, delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:
        """Give back what was taken and not begun."""
        # The others take from the right, so the first goes there last.
        taken: Any = self._delivered
        self._give_back(list(reversed(taken.values())), leftmost=False)
        taken.clear()

    def _give_back(self, messages: list[Any], *, leftmost: bool) -> None:
        channel: Any = self.channel
        with channel.conn_or_acquire() as client, client.pipeline() as pipe:
            for message in messages:
                info = message.delivery_info
                channel._do_restore_message(message._raw, info["exchange"], info["routing_key"], pipe, leftmost)
            pipe.execute()


class Channel(transport.Channel):
    """A channel that keeps its client. The pool hands each command a connection, so threads may share it."""

    QoS = QoS
    _kept: tuple[Any, Any] | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        pool = self.pool
        if self._kept is None or self._kept[0] is not pool:
            # After a fork or a lost connection there is another pool.
            self._kept = pool, super()._create_client()  # type: ignore[misc]
        return self._kept[1]


class Transport(transport.Transport):
    """The transport of `redis:` and `rediss:` broker URLs (registered in `arboretum.celery`)."""

    Channel = Channel
