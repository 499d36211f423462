"""A run as a stream of server-sent events, whatever their shape: begun, followed, and cancelled with its caller."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from batches.news import FinishedRun, NewsKind, RunNews
from batches.states import RunState
from batches.waiting import abandon, follow

from .errors import ApiError
from .running import Asked

News = RunNews | FinishedRun | None
# After so many seconds without a word a comment keeps proxies and clients from hanging up.
SILENCE_SECONDS = 15.0
KEEP_ALIVE = b": waiting\n\n"


class Teller(Protocol):
    """What makes events of news. It has broken off where the run may go on, but its caller heard what it took back."""

    has_ended: bool
    has_broken_off: bool

    def opening(self) -> list[bytes]:
        """Return the events before all news."""

    def of(self, news: News) -> list[bytes]:
        """Return the events that tell a piece of news."""


async def stream_run(asked: Asked, teller: Teller) -> HttpResponseBase:
    """Return the stream. Raises ApiError where the run fails before it says anything."""
    news = follow(asked.run.pk, silence=SILENCE_SECONDS)
    try:
        first = await _first(news)
        if isinstance(first, FinishedRun) and first.state is not RunState.SUCCEEDED:
            raise await asked.failure(first)
        return await asked.label(event_stream(_until_gone(asked, teller, _joined(first, news))))
    except BaseException as error:
        if not isinstance(error, ApiError):
            abandon(asked.run)
        await news.aclose()
        raise


def event_stream(events: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Return server-sent events as an answer."""
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    # Nginx would gather the pieces (its manual, ngx_http_proxy_module, proxy_buffering).
    response["X-Accel-Buffering"] = "no"
    return response


async def told(teller: Teller, news: AsyncGenerator[News, None]) -> AsyncGenerator[bytes, None]:
    """Yield the events until the teller has ended."""
    async with aclosing(news):
        for event in teller.opening():
            yield event
        while not teller.has_ended:
            for event in teller.of(await anext(news)):
                yield event


async def _first(news: AsyncIterator[News]) -> News:
    """Return the first news that the caller is to hear of: until then a failure is an answer of its own."""
    async for one in news:
        if not isinstance(one, RunNews) or one.kind is NewsKind.TEXT:
            return one
    raise AssertionError("unreachable")


async def _joined(first: News, news: AsyncGenerator[News, None]) -> AsyncGenerator[News, None]:
    async with aclosing(news):
        yield first
        async for one in news:
            yield one


async def _until_gone(asked: Asked, teller: Teller, news: AsyncGenerator[News, None]) -> AsyncGenerator[bytes, None]:
    """Yield the events. Whoever closes it early cancels the run."""
    try:
        async with aclosing(told(teller, news)) as events:
            async for event in events:
                yield event
    finally:
        if not teller.has_ended or teller.has_broken_off:
            abandon(asked.run)
