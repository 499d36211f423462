"""Request bodies that a view reads while they come, past Django, which would first write them to disk as a whole.

Uploads are written once so, where they belong; who may not upload is refused before a byte is read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from django.http import HttpRequest

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

SCOPE_KEY = "arboretum.body"
# A client that sends nothing for so long holds no thread and no half file any longer.
SILENCE_SECONDS = 60.0
# Nor does one that sends less than this in the long run, in bytes a second: slower than any modem.
SLOWEST_PACE = 2048


class BodyLost(OSError):
    """The client went away, or fell silent, before the whole body had come."""


class StreamedBody:
    """The body of one request: `read` is for the view, `receive` is what Django sees in its place."""

    def __init__(self, receive: Receive) -> None:
        """Take the server's own `receive`."""
        self._receive = receive
        self._waiting = bytearray()
        self._django_was_told = False
        self._is_whole = False
        self._is_lost = False
        self._ended = asyncio.Event()

    async def read(self, size: int) -> bytes:
        """Return the next bytes, at least `size` of them but at the end; none after it. Raises BodyLost."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS + size / SLOWEST_PACE):
                while len(self._waiting) < size and not self._is_whole:
                    await self._take()
        except TimeoutError:
            self._lose()
            raise BodyLost("The rest of the body came too slowly.") from None
        taken, self._waiting = bytes(self._waiting), bytearray()
        return taken

    async def receive(self) -> Message:
        """Tell Django of an empty body at once, and of the client's going when it goes."""
        if not self._django_was_told:
            self._django_was_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._ended.wait()
        return {"type": "http.disconnect"} if self._is_lost else await self._receive()

    async def _take(self) -> None:
        if self._is_lost:
            raise BodyLost("The rest of the body did not come.")
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        self._is_lost = message["type"] == "http.disconnect"
        self._is_whole = not self._is_lost and not message.get("more_body", False)
        self._waiting += message.get("body", b"")
        if self._is_lost or self._is_whole:
            self._ended.set()

    def _lose(self) -> None:
        self._is_lost = True
        self._ended.set()


class StreamedBodies:
    """An ASGI application that hands the bodies of some requests to their views as they come."""

    def __init__(self, application: Application, streamed: Collection[tuple[str, str]]) -> None:
        """Take the application behind, and (method, path) of the requests that are meant."""
        self._application = application
        self._streamed = frozenset(streamed)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) in self._streamed:
            body = StreamedBody(receive)
            scope, receive = {**scope, SCOPE_KEY: body}, body.receive
        await self._application(scope, receive, send)


def streamed_body(request: HttpRequest) -> StreamedBody | None:
    """Return the body of `request` that is still to come; None where Django has read it."""
    found: StreamedBody | None = getattr(request, "scope", {}).get(SCOPE_KEY)
    return found
