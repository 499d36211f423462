"""Who handles a request."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.core.handlers import asgi
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

from arboretum.handlers import ApiHandler, ByPath

SIGNALS = (
    (request_started, reset_queries),
    (request_started, close_old_connections),
    (request_finished, close_old_connections),
)


@pytest.fixture
def application() -> Iterator[ByPath]:
    yield ByPath()
    for signal, receiver in SIGNALS:
        signal.disconnect(receiver, sender=ASGIHandler)
        signal.connect(receiver)


async def ask(application: ByPath, path: str) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of the answer to a GET."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        return {"type": "http.disconnect"} if sent and not sent[-1].get("more_body") else await never()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}
    await application(scope, receive, send)
    return sent[0]["status"], {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}


async def never() -> dict[str, Any]:
    return await asyncio.Future()


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each request that got a thread of its own."""
    made: list[int] = []

    class Counted(ThreadSensitiveContext):
        async def __aenter__(self) -> ThreadSensitiveContext:
            made.append(1)
            return await super().__aenter__()

    monkeypatch.setattr(asgi, "ThreadSensitiveContext", Counted)
    return made


async def test_requests_of_the_api_get_no_thread_of_their_own(application: ByPath, contexts: list[int]):
    for path in ("/v1/nothing", "/api/v1/nothing"):
        status, headers = await ask(application, path)
        assert (status, headers["content-type"], "x-request-id" in headers) == (404, "application/json", True)
    assert contexts == []


async def test_pages_and_the_documentation_do(application: ByPath, contexts: list[int]):
    assert (await ask(application, "/sign-in/"))[0] == 200
    assert (await ask(application, "/api/v1/docs"))[0] == 200
    assert len(contexts) == 2


def test_connections_are_closed_around_pages_alone(application: ByPath):
    def receivers(signal: Any, sender: type) -> set[Any]:
        return {receiver for receiver, _ in signal.send(sender=sender)}

    for signal, receiver in SIGNALS:
        assert receiver in receivers(signal, ASGIHandler)
        assert receiver not in receivers(signal, ApiHandler)
