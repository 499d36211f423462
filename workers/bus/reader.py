"""Hearing the bus: one connection a process, however many listen, and whatever becomes of Redis."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import aclosing, contextmanager, suppress
from weakref import WeakKeyDictionary

import structlog
from redis.exceptions import RedisError

from workers.redis import async_connection

from .line import Line
from .subscription import Subscription
from .topics import BEGINNING, Message, key_of

log = structlog.get_logger(__name__)

RECONNECT_PAUSE = 0.5
CLOSING_PAUSE = 0.05
# So many messages of a stream are read at once.
READ_MESSAGES = 200
# So many streams are read in one round trip.
READ_STREAMS = 100


class Reader:
    """The listeners of one event loop."""

    def __init__(self) -> None:
        """Connect when somebody listens."""
        self.is_connected = False
        self._listeners: dict[str, set[Subscription]] = {}
        self._line: Line | None = None
        # What is to be said on the line, and the streams to be read.
        self._wanted: dict[str, bool] = {}
        self._behind: set[Subscription] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @contextmanager
    def listen(self, topic: str, after: str = BEGINNING) -> Iterator[Subscription]:
        """Hear `topic` for the length of a block, from the message that follows the id `after`.

        Raises ValueError where `after` is no id. What Redis keeps no more is missing without a word, as is everything
        while Redis is away; what was told meanwhile comes when it is back, if it was kept.
        """
        subscription = self.subscribe(topic, after)
        try:
            yield subscription
        finally:
            self.leave(subscription)

    def subscribe(self, topic: str, after: str = BEGINNING, *, is_first: bool = False) -> Subscription:
        """Hear `topic` as `listen` does, until `leave` is called.

        `is_first` spares reading the stream where nobody tells anything before the server knows of the listener; it is
        to be set to False once somebody may have.
        """
        key = key_of(topic)
        subscription = Subscription(topic, after, self._read_soon)
        subscription.is_first = is_first
        self._start()
        listeners = self._listeners.setdefault(key, set())
        listeners.add(subscription)
        if len(listeners) == 1:
            self._say_soon(key, is_wanted=True)
        else:
            self._read_soon(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Hear nothing more; again does nothing."""
        key = key_of(subscription.topic)
        listeners = self._listeners.get(key, set())
        listeners.discard(subscription)
        self._behind.discard(subscription)
        if not listeners and key in self._listeners:
            del self._listeners[key]
            self._say_soon(key, is_wanted=False)

    async def aclose(self) -> None:
        """Let the connection go; nobody hears anything any more."""
        left, self._tasks = set(self._tasks), []
        while left:
            for task in left:
                task.cancel()
            # Python 3.11's wait_for, within redis-py, may lose a cancellation (bpo-42130).
            _, left = await asyncio.wait(left, timeout=CLOSING_PAUSE)

    def _start(self) -> None:
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._keep_line()), loop.create_task(self._work())]

    def _say_soon(self, key: str, *, is_wanted: bool) -> None:
        self._wanted[key] = is_wanted
        self._news.set()

    def _read_soon(self, subscription: Subscription) -> None:
        self._behind.add(subscription)
        self._news.set()

    async def _keep_line(self) -> None:
        """For ever: hear what is published; a lost connection is made anew."""
        while True:
            line = Line()
            try:
                await line.open()
                # From here on what is wanted besides is said on this line.
                self._line, self.is_connected = line, True
                self._wanted.clear()
                await line.say("SUBSCRIBE", list(self._listeners))
                await self._hear(line)
            except (RedisError, OSError) as error:
                if self.is_connected:
                    log.warning("bus_lost", error=type(error).__name__)
            finally:
                self._line, self.is_connected = None, False
                for subscription in self._all():
                    subscription.is_live = False
                with suppress(RedisError, OSError):
                    await line.close()
            await asyncio.sleep(RECONNECT_PAUSE)

    async def _hear(self, line: Line) -> None:
        async with aclosing(line.hear()) as heard:
            async for kind, key, data in heard:
                listeners = self._listeners.get(key)
                if not listeners:
                    continue
                if kind == b"message":
                    message = _published(data)
                    for subscription in listeners:
                        subscription.hear(message)
                elif kind == b"subscribe":
                    for subscription in listeners:
                        subscription.confirm()

    async def _work(self) -> None:
        """For ever: say on the line what is wanted, and read streams that somebody has to hear from."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._say()
                await self._read()
            except (RedisError, OSError):
                # Listeners are told all anew when the line is back; who reads without it tries again.
                await asyncio.sleep(RECONNECT_PAUSE)
                self._news.set()

    async def _say(self) -> None:
        line = self._line
        if line is None:
            # A new line begins with all that is wanted.
            return
        wanted, self._wanted = self._wanted, {}
        await line.say("UNSUBSCRIBE", [key for key, is_wanted in wanted.items() if not is_wanted])
        await line.say("SUBSCRIBE", [key for key, is_wanted in wanted.items() if is_wanted])

    async def _read(self) -> None:
        while self._behind:
            group = list(self._behind)[:READ_STREAMS]
            self._behind.difference_update(group)
            for subscription in group:
                subscription.begin_reading()
            try:
                found = await _read_streams(group)
            except BaseException:
                self._behind.update(one for one in group if one in self._listeners.get(key_of(one.topic), ()))
                raise
            for subscription, messages in zip(group, found, strict=True):
                subscription.read(messages, is_all=len(messages) < READ_MESSAGES, is_connected=self.is_connected)

    def _all(self) -> list[Subscription]:
        return [one for listeners in self._listeners.values() for one in listeners]


async def _read_streams(subscriptions: Collection[Subscription]) -> list[list[Message]]:
    async with async_connection().pipeline(transaction=False) as pipe:
        for one in subscriptions:
            milliseconds, number = one.last
            pipe.xrange(key_of(one.topic), f"({milliseconds}-{number}", "+", count=READ_MESSAGES)
        found = await pipe.execute()
    return [[Message(id.decode(), fields[b"d"]) for id, fields in messages] for messages in found]


def _published(data: bytes) -> Message:
    number, _, rest = data.partition(b" ")
    return Message(number.decode(), rest)


_readers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Reader]" = WeakKeyDictionary()


def reader() -> Reader:
    """Return the running event loop's reader."""
    loop = asyncio.get_running_loop()
    if loop not in _readers:
        _readers[loop] = Reader()
    return _readers[loop]
