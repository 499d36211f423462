"""One listener of a topic: a bounded queue of what it has not taken yet."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from .topics import Message, MessageId, parsed_id

# Who has so many before him that he has not taken, or so many bytes, reads on from the stream.
MOST_QUEUED = 500
MOST_QUEUED_BYTES = 4 * 1024 * 1024


class Subscription:
    """What a listener of one topic has still to hear, each message once and in order. Made by `Reader.listen`."""

    def __init__(self, topic: str, after: str, behind: Callable[["Subscription"], None]) -> None:
        """Begin after the message `after`; `behind` is told when messages have to be read from the stream."""
        self.topic = topic
        # The last message that was queued.
        self.last: MessageId = parsed_id(after)
        # Until the stream was read to its end, what is published would leave a gap.
        self.is_live = False
        # Nothing was told of the topic before the server knows of this listener, so that nothing need be read.
        self.is_first = False
        self._behind = behind
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._has_more = asyncio.Event()
        self._is_starved = False
        self._has_heard = False

    async def next(self, patience: float | None = None) -> Message | None:
        """Return the next message; None where none came within `patience` seconds."""
        if not self._queue:
            self._has_more.clear()
            if self._is_starved:
                self._is_starved = False
                self._behind(self)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._has_more.wait()
        if not self._queue:
            return None
        message = self._queue.popleft()
        self._bytes -= len(message.data)
        return message

    @property
    def has_room(self) -> bool:
        """Whether more may be queued."""
        return len(self._queue) < MOST_QUEUED and self._bytes < MOST_QUEUED_BYTES

    def hear(self, message: Message) -> None:
        """Take what was published, unless something before it is still to be read from the stream."""
        self._has_heard = True
        if self.is_live:
            if self.has_room:
                self._take(message)
            else:
                self.is_live, self._is_starved = False, True

    def tell(self, data: bytes) -> None:
        """Queue what this listener alone is to hear; its id is empty."""
        self._queue.append(Message("", data))
        self._bytes += len(data)
        self._has_more.set()

    def confirm(self) -> None:
        """The server knows of this listener: what is published from now on is heard, what was told before is read."""
        if self.is_first:
            self.is_live = True
        else:
            self._behind(self)

    def begin_reading(self) -> None:
        """The stream is read now: what is heard from here on may be missing in what comes."""
        self.is_live = self._has_heard = self._is_starved = False

    def read(self, messages: Sequence[Message], *, is_all: bool, is_connected: bool) -> None:
        """Take what was read; `is_all`: it reaches to the end, and while connected what is published follows."""
        for message in messages:
            self._take(message)
        if is_all and not self._has_heard:
            self.is_live = is_connected
        elif self.has_room:
            self._behind(self)
        else:
            self._is_starved = True

    def _take(self, message: Message) -> None:
        number = parsed_id(message.id)
        if number > self.last:
            self.last = number
            self._queue.append(message)
            self._bytes += len(message.data)
            self._has_more.set()
