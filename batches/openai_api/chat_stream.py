"""A completion in pieces, as server-sent events: chunks in OpenAI's shape, an error in mid-stream, `[DONE]`.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from batches.news import FinishedRun, NewsKind, RunNews
from batches.states import RunState
from batches.waiting import abandon, follow

from .errors import ApiError, error_body
from .running import Asked, tool_calls_of, usage_of

News = RunNews | FinishedRun | None
# After so many seconds without a word a comment keeps proxies and clients from hanging up.
SILENCE_SECONDS = 15.0
KEEP_ALIVE = b": waiting\n\n"
DONE = b"data: [DONE]\n\n"


async def stream_chat(asked: Asked) -> HttpResponseBase:
    """Return the stream. Raises ApiError where the run fails before it says anything."""
    news = follow(asked.run.pk, silence=SILENCE_SECONDS)
    try:
        first = await _first(news)
        if isinstance(first, FinishedRun) and first.state is not RunState.SUCCEEDED:
            raise await asked.failure(first)
        response = StreamingHttpResponse(_events(asked, first, news), content_type="text/event-stream")
        # Nginx would gather the pieces (its manual, ngx_http_proxy_module, proxy_buffering).
        response["X-Accel-Buffering"] = "no"
        return await asked.label(response)
    except BaseException as error:
        if not isinstance(error, ApiError):
            abandon(asked.run)
        await news.aclose()
        raise


async def _first(news: AsyncIterator[News]) -> News:
    """Return the first news that the caller is to hear of: until then a failure is an answer of its own."""
    async for one in news:
        if not isinstance(one, RunNews) or one.kind is NewsKind.TEXT:
            return one
    raise AssertionError("unreachable")


async def _events(asked: Asked, first: News, news: AsyncGenerator[News, None]) -> AsyncGenerator[bytes, None]:
    """Yield the events. Whoever closes it early cancels the run."""
    chunks = ChatChunks(asked)
    try:
        async with aclosing(news):
            yield chunks.opening()
            for event in chunks.of(first):
                yield event
            while not chunks.has_ended:
                for event in chunks.of(await anext(news)):
                    yield event
    finally:
        if not chunks.has_ended or chunks.has_broken_off:
            abandon(asked.run)


class ChatChunks:
    """The events of one completion."""

    def __init__(self, asked: Asked) -> None:
        """Say nothing yet."""
        self.has_ended = False
        # The run may go on, but its caller has heard what it has taken back.
        self.has_broken_off = False
        self._asked = asked
        self._told = 0
        self._with_usage = bool((asked.body.get("stream_options") or {}).get("include_usage"))

    def opening(self) -> bytes:
        """Return the chunk that says who speaks."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def of(self, news: News) -> list[bytes]:
        """Return the events that tell a piece of news."""
        if news is None:
            return [KEEP_ALIVE]
        if isinstance(news, FinishedRun):
            self.has_ended = True
            return self._ending(news)
        if news.kind is NewsKind.TEXT:
            return self._text(news.data["at"], news.data["text"])
        if news.kind is NewsKind.RETRY and self._told:
            self.has_ended = self.has_broken_off = True
            why = news.data["message"] or "The worker that ran it was stopped."
            return [_error(f"The answer broke off: {why}", news.data["code"] or "interrupted")]
        return []

    def _text(self, at: int, text: str) -> list[bytes]:
        """Tell what is new of a piece. Of what follows a gap nothing is told: the end has the whole."""
        new = text[self._told - at :] if at <= self._told else ""
        if not new:
            return []
        self._told += len(new)
        return [self._chunk({"content": new})]

    def _ending(self, ended: FinishedRun) -> list[bytes]:
        if ended.state is not RunState.SUCCEEDED:
            return [_error(ended.error_message or f"The run ended as {ended.state}.", ended.error_code)]
        output = ended.output or ""
        # All of it where nothing was told before; else what was lost on the way.
        events = self._text(0, output) if len(output) > self._told else []
        for place, call in enumerate(tool_calls_of(ended.completion)):
            events.append(self._chunk({"tool_calls": [{"index": place, **call}]}))
        reason = (ended.completion or {}).get("finish_reason", "stop")
        events.append(self._chunk({}, reason, arboretum=self._asked.extension(ended)))
        if self._with_usage:
            events.append(self._event({"choices": [], "usage": usage_of(ended)}))
        return [*events, DONE]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        values: dict[str, Any] = {"choices": [choice], **more}
        if self._with_usage:
            values["usage"] = None
        return self._event(values)

    def _event(self, values: dict[str, Any]) -> bytes:
        asked = self._asked
        head = {"id": f"chatcmpl-{asked.run.pk}", "object": "chat.completion.chunk", "created": asked.created}
        return _data({**head, "model": asked.model, **values})


def _error(message: str, code: str | None) -> bytes:
    return _data(error_body(500, message, code=code))


def _data(values: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(values) + b"\n\n"
