"""The middleware of pages alone: requests of the API pass through it untouched, and without a change of threads.

Most of Django's middleware is synchronous. Each piece that runs around an asynchronous view goes through a thread on
the way in and again on the way out, which costs more than all that the API does by itself.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django_htmx.middleware import HtmxMiddleware
from django_structlog.middlewares import RequestMiddleware

from credentials.api.paths import is_api

from .middleware import SignInRequiredMiddleware


def pages_only(middleware: type[Any]) -> type[Any]:
    """Return a kind of `middleware` (a class) that lets requests of the API pass."""

    class PagesOnly(middleware):  # type: ignore[misc]
        def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
            super().__init__(get_response)
            if hasattr(middleware, "process_view"):
                # Chosen here: Django would put a synchronous method of an asynchronous stack on a thread.
                is_async = iscoroutinefunction(get_response)
                self.process_view = self._view_async if is_async else self._view

        def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
            handle = self.get_response if is_api(request) else super().__call__
            answer: HttpResponseBase | Awaitable[HttpResponseBase] = handle(request)
            return answer

        def _view(self, request: HttpRequest, *rest: Any) -> HttpResponseBase | None:
            return None if is_api(request) else super().process_view(request, *rest)

        async def _view_async(self, request: HttpRequest, *rest: Any) -> HttpResponseBase | None:
            return None if is_api(request) else await sync_to_async(super().process_view)(request, *rest)

    PagesOnly.__name__ = PagesOnly.__qualname__ = middleware.__name__
    return PagesOnly


security = pages_only(SecurityMiddleware)
sessions = pages_only(SessionMiddleware)
common = pages_only(CommonMiddleware)
csrf = pages_only(CsrfViewMiddleware)
authentication = pages_only(AuthenticationMiddleware)
messages = pages_only(MessageMiddleware)
clickjacking = pages_only(XFrameOptionsMiddleware)
request_log = pages_only(RequestMiddleware)
htmx = pages_only(HtmxMiddleware)
# Every view asks for a signed-in user unless it says otherwise.
sign_in_required = pages_only(SignInRequiredMiddleware)
