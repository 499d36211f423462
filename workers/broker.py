"""Kombu's Redis transport, without making a client for every command.

Kombu makes a `redis.Redis` each time that it writes (`Channel.conn_or_acquire`), some five times for a task: that took
a tenth of what a single run costs the worker. The client holds nothing but its pool, which all of them share.
"""

from typing import Any

from kombu.transport import redis as transport


class Channel(transport.Channel):
    """A channel that keeps its client. The pool hands each command a connection, so threads may share it."""

    _kept: tuple[Any, Any] | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        pool = self.pool
        if self._kept is None or self._kept[0] is not pool:
            # After a fork or a lost connection there is another pool.
            self._kept = pool, super()._create_client()
        return self._kept[1]


class Transport(transport.Transport):
    """The transport of `redis:` and `rediss:` broker URLs (registered in `arboretum.celery`)."""

    Channel = Channel
