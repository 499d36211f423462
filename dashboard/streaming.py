"""Downloads that are produced while they are sent."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header


def download(request: HttpRequest, chunks: Iterator[bytes], filename: str, content_type: str) -> StreamingHttpResponse:
    """Return `chunks` as a file to keep, each sent as soon as it is there, in flat memory.

    Under ASGI the iterator runs in a thread of its own: Django would read a synchronous one whole before it sends.
    """
    content = in_thread(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    response.headers["Cache-Control"] = "no-store"
    return response


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
