"""Who handles a request: Django's own handler, or for the API one that does without a thread for each request."""

from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

Message = dict[str, Any]


class ApiHandler(ASGIHandler):
    """Handles requests of the API.

    Django makes a thread for each request, and goes there when it begins and ends, to close connections to the
    database. Views of the API use the database on threads of their own, which keep theirs (`credentials.api.threads`),
    so both would be for nothing, and cost more than all else that a short request does.
    """

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Handle a request, without the context that gives it a thread."""
        await self.handle(scope, receive, send)


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
