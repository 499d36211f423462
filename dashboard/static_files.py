"""Static files by WhiteNoise, without leaving the event loop's own kind of response."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

CHUNK_BYTES = 64 * 1024


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise's middleware, made able to run in an asynchronous chain.

    WhiteNoise 6 is synchronous: in an ASGI stack it would send every request through a thread, and its files as
    synchronous iterators, which Django reads whole before it sends them.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def add_files(self, root: str, prefix: str | None = None) -> None:
        """Add the files under `root`, which exists only where collectstatic has run."""
        if os.path.isdir(root):
            super().add_files(root, prefix=prefix)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer with a file, or pass the request on."""
        if self._is_async:
            return self._call_async(request)
        response: HttpResponseBase = super().__call__(request)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        found = self.files.get(request.path_info)
        if found is None:
            passed_on: HttpResponseBase = await self.get_response(request)
            return passed_on
        static = await sync_to_async(found.get_response, thread_sensitive=False)(request.method, request.META)
        response = StreamingHttpResponse(_chunks(static.file), status=int(static.status))
        del response["Content-Type"]
        for name, value in static.headers:
            response[name] = value
        return response


async def _chunks(file: IO[bytes] | None) -> AsyncIterator[bytes]:
    if file is None:
        return
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
