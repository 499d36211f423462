"""Iterators between threads and an event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor


async def in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what `chunks` yields, its steps run one by one in one thread; close it at the end, however that comes."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="download")
    try:
        while (chunk := await loop.run_in_executor(thread, next, chunks, None)) is not None:
            yield chunk
    finally:
        # The reader may have gone while a step was running: the same thread closes the iterator after that step.
        if isinstance(chunks, Generator):
            thread.submit(chunks.close)
        thread.shutdown(wait=False)


def from_loop(read: Callable[[], Awaitable[bytes]]) -> Iterator[bytes]:
    """Yield, in another thread than the running loop's, what `read` returns there until it returns nothing.

    Call it in the loop and iterate in the thread. What `read` raises is raised there.
    """
    loop = asyncio.get_running_loop()

    async def step() -> bytes:
        return await read()

    def pieces() -> Iterator[bytes]:
        while piece := asyncio.run_coroutine_threadsafe(step(), loop).result():
            yield piece

    return pieces()
