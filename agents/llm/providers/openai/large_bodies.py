"""Large answers are read a few at a time: hundreds at once, as a hostile server could send, would fill the memory."""

import asyncio
from weakref import WeakKeyDictionary

# An answer of usual length is far below; so many bytes of each call in flight may be in memory at once.
LARGE_BODY_BYTES = 256 * 1024
AT_ONCE = 2

_turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()


def large_bodies() -> asyncio.Semaphore:
    """Return what to hold while more than LARGE_BODY_BYTES of an answer are read (`async with`).

    Who waits does not read, so that its server is slowed down by TCP; the call's own timeout goes on.
    """
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
