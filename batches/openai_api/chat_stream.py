"""A completion in pieces, as server-sent events: chunks in OpenAI's shape, an error in mid-stream, `[DONE]`.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from typing import Any

import orjson

from batches.execution.live import BETWEEN_STEPS
from batches.news import FinishedRun, NewsKind
from batches.states import RunState

from .bodies import tool_calls_of, usage_of
from .errors import error_body
from .running import Asked
from .streaming import KEEP_ALIVE, News

DONE = b"data: [DONE]\n\n"


class ChatChunks:
    """The events of one completion."""

    def __init__(self, asked: Asked) -> None:
        """Say nothing yet."""
        self.has_ended = False
        # The run may go on, but its caller has heard what it has taken back.
        self.has_broken_off = False
        self._asked = asked
        # How many characters were told in all, and those of the step that an agent is at.
        self._told = 0
        self._step = ""
        self._with_usage = bool((asked.body.get("stream_options") or {}).get("include_usage"))

    def opening(self) -> list[bytes]:
        """Return the chunk that says who speaks."""
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def of(self, news: News) -> list[bytes]:
        """Return the events that tell a piece of news."""
        if news is None:
            return [KEEP_ALIVE]
        if isinstance(news, FinishedRun):
            self.has_ended = True
            return self._ending(news)
        if news.kind is NewsKind.TEXT:
            return self._text(news.data["at"], news.data["text"])
        if news.kind is NewsKind.TOOL_CALL:
            self._step = ""
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
        self._step += new if self._step or not self._told else new.removeprefix(BETWEEN_STEPS)
        self._told += len(new)
        return [self._chunk({"content": new})]

    def _ending(self, ended: FinishedRun) -> list[bytes]:
        if ended.state is not RunState.SUCCEEDED:
            return [_error(ended.error_message or f"The run ended as {ended.state}.", ended.error_code)]
        rest = self._rest(ended.output or "")
        events = [self._chunk({"content": rest})] if rest else []
        for place, call in enumerate(tool_calls_of(ended.completion)):
            events.append(self._chunk({"tool_calls": [{"index": place, **call}]}))
        reason = (ended.completion or {}).get("finish_reason", "stop")
        events.append(self._chunk({}, reason, arboretum=self._asked.extension(ended)))
        if self._with_usage:
            events.append(self._event({"choices": [], "usage": usage_of(ended)}))
        return [*events, DONE]

    def _rest(self, output: str) -> str:
        """Return what is left to be told of an answer: what was lost on the way, all of it where nothing was told.

        What an agent said before it used its tools was told, and is no part of the answer.
        """
        if output.startswith(self._step):
            rest = output[len(self._step) :]
            return BETWEEN_STEPS + rest if rest and self._told and not self._step else rest
        # What was told last is of an earlier step; a plain model has one alone, whose text was put right at its end.
        return "" if self._asked.version.is_plain else BETWEEN_STEPS + output

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
