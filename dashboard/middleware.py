"""Middleware of the pages: content security, and sign-in by default."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

STAFF_PREFIXES = ("/admin/", "/flower/")

Handler = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def content_security(get_response: Handler) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Give every response a content security policy: strict, and with inline code only for the staff's own tools."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(request, await get_response(request))

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        return _with_policy(request, get_response(request))

    return handle


def _with_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    staff = request.path.startswith(STAFF_PREFIXES)
    policy = settings.CONTENT_SECURITY_POLICY_STAFF if staff else settings.CONTENT_SECURITY_POLICY
    response.headers.setdefault("Content-Security-Policy", policy)
    return response


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Ask for a signed-in user on every view but those marked `login_not_required`."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> HttpResponseRedirect:
        """Redirect to the sign-in page; a fragment that htmx asked for moves the whole page there."""
        response: HttpResponseRedirect = super().handle_no_permission(request, view_func)
        if request.headers.get("HX-Request") == "true":
            # Not a redirect, which the browser would follow and htmx put in the fragment's place.
            response.status_code = 204
            response.headers["HX-Refresh"] = "true"
        return response
