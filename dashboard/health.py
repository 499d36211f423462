"""Liveness and readiness: `/healthz` and `/readyz`."""

import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0
# A thread of its own for each: a server that hangs takes neither the threads that pages need nor the other's check.
_threads = {name: ThreadPoolExecutor(1, thread_name_prefix=f"ready-{name}") for name in ("database", "redis")}


class HealthMiddleware:
    """Answers probes before anything else runs, whichever host name they use: no session, no database, no log line."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a probe, or pass the request on."""
        if self._is_async:
            return self._call_async(request)
        passed_on: HttpResponseBase = answer(request) if request.path in PROBES else self.get_response(request)
        return passed_on

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == "/healthz":
            return answer(request)
        if request.path in PROBES:
            return await sync_to_async(answer, thread_sensitive=False)(request)
        passed_on: HttpResponseBase = await self.get_response(request)
        return passed_on


def answer(request: HttpRequest) -> HttpResponse:
    """Return the answer of the probe that `request` asks for; GET and HEAD only."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    response = PROBES[request.path]()
    response["Cache-Control"] = "no-store"
    return response


def healthz() -> HttpResponse:
    """Return 200 whenever the process lives."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz() -> HttpResponse:
    """Return 200 when the database and Redis answer within the timeout, else 503 that says which does not."""
    checks = {"database": _ask_database, "redis": _ask_redis}
    pending = {name: _threads[name].submit(check) for name, check in checks.items()}
    result = {}
    for name, future in pending.items():
        try:
            future.result(timeout=TIMEOUT_SECONDS)
            result[name] = "ok"
        except Exception as error:
            future.cancel()
            # The text of such an error holds addresses, at times passwords: the kind is enough here.
            logger.warning("not_ready", extra={"part": name, "error": type(error).__name__})
            result[name] = "down"
    return JsonResponse(result, status=200 if set(result.values()) == {"ok"} else 503)


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    finally:
        connection.close()


def _ask_redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    ) as client:
        client.ping()


PROBES: dict[str, Callable[[], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}
