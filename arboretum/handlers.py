"""Who handles a request: Django's own handler, or for the API one that does without a thread for each request."""

import tempfile
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.utils.module_loading import import_string

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]


class ApiHandler(ASGIHandler):
    """Handles requests of the API.

    Django makes a thread for each request, and goes there when it begins and ends, to close connections to the
    database. Views of the API use the database on threads of their own, which keep theirs (`credentials.api.threads`),
    so both would be for nothing, and cost more than all else that a short request does.

    Django also keeps a body, however long, on disk before it asks whose it is. Here what is kept for nobody is thrown
    away as it comes, and whoever reads it is told why.
    """

    def __init__(self) -> None:
        """Take what says how long a body may be."""
        super().__init__()
        self._check_long: Callable[[ASGIRequest, int], Awaitable[int]] = import_string(
            settings.ARBORETUM_API_LONG_BODIES
        )

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Handle a request, without the context that gives it a thread."""
        await self.handle(scope, _OfRequest(scope, receive), send)

    async def read_body(self, receive: Any) -> Any:
        """Return the body, or why it was not kept."""
        memory: int = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        body = tempfile.SpooledTemporaryFile(max_size=memory, mode="w+b")  # noqa: SIM115  # the handler closes it
        size, most = 0, memory
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.close()
                raise RequestAborted
            piece = message.get("body", b"")
            size += len(piece)
            if size > most:
                try:
                    most = await self._check_long(ASGIRequest(receive.scope, BytesIO()), size)
                except Exception as error:
                    body.close()
                    return _Refused(error)
            body.write(piece)
            if not message.get("more_body", False):
                body.seek(0)
                return body

    async def listen_for_disconnect(self, receive: Any) -> None:
        """Wait for the client to go; what he still sends of a body that was refused is thrown away."""
        while (await receive())["type"] != "http.disconnect":
            pass
        raise RequestAborted


class _OfRequest:
    """What a server gives to receive with, and the request that it belongs to."""

    def __init__(self, scope: Message, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive

    def __call__(self) -> Awaitable[Message]:
        return self._receive()


class _Refused:
    """In the place of a body that was not kept: reading it raises the reason."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, *size: int) -> NoReturn:
        raise self._error

    def close(self) -> None:
        """Hold nothing."""


class ByPath:
    """The application: requests of the API go to the one handler, all others to Django's."""

    def __init__(self) -> None:
        """Make both, and have connections closed around the requests of pages alone."""
        self._pages = ASGIHandler()
        self._api = ApiHandler()
        self._faces = tuple(settings.ARBORETUM_API_FACES)
        for signal, receiver in (
            (request_started, reset_queries),
            (request_started, close_old_connections),
            (request_finished, close_old_connections),
        ):
            signal.disconnect(receiver)
            signal.connect(receiver, sender=ASGIHandler)

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Pass a request on."""
        path: str = scope.get("path", "")
        is_api = path.startswith(self._faces) and not path.startswith(settings.ARBORETUM_API_PAGES)
        await (self._api if is_api else self._pages)(scope, receive, send)
