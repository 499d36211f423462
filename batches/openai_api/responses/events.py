"""A run as the events of a streamed response: what is told of it while it runs, item by item.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from batches.execution.live import BETWEEN_STEPS
from batches.news import FinishedRun, NewsKind, RunNews
from batches.openai_api.streaming import KEEP_ALIVE, News
from batches.states import RunState

from .ids import item_id
from .output import COMPLETED, IN_PROGRESS, message_item, text_part

Body = dict[str, Any]
BodyOf = Callable[[str, FinishedRun | None], Body]
_ENDINGS = {COMPLETED: "response.completed", "incomplete": "response.incomplete"}


class ResponseEvents:
    """The events of one response, numbered from 0; the same news make the same events.

    A caller who has heard those up to `after` is told only the others, and the last one in any case.
    """

    def __init__(self, run_id: int, body_of: BodyOf, *, is_background: bool = False, after: int = -1) -> None:
        """Say nothing yet. `body_of` makes the response of a state and an end (see `body.response_body`).

        In the background the run goes on whatever becomes of its stream.
        """
        self.has_ended = False
        # The run may go on, but its caller has heard what it has taken back.
        self.has_broken_off = False
        self._run_id = run_id
        self._body_of = body_of
        self._is_queued = self._is_background = is_background
        self._after = after
        self._number = 0
        self._next_output = 0
        # How many characters were told in all, and those of the step that the agent is at.
        self._told = 0
        self._step: list[str] = []

    def opening(self) -> list[bytes]:
        """Return the events of a response that has begun."""
        state = RunState.QUEUED if self._is_queued else RunState.RUNNING
        second = "response.queued" if self._is_queued else "response.in_progress"
        body = self._body_of(state, None)
        return self._sent([self._event(kind, response=body) for kind in ("response.created", second)])

    def of(self, news: News) -> list[bytes]:
        """Return the events that tell a piece of news; None is told by a comment."""
        if news is None:
            return [KEEP_ALIVE]
        return self._sent(self._events(news))

    def _events(self, news: RunNews | FinishedRun) -> Iterator[bytes]:
        if self._is_queued:
            self._is_queued = False
            yield self._event("response.in_progress", response=self._body_of(RunState.RUNNING, None))
        if isinstance(news, FinishedRun):
            yield from self._ending(news)
        elif news.kind is NewsKind.TEXT:
            yield from self._text(news.data["at"], news.data["text"])
        elif news.kind is NewsKind.TOOL_CALL:
            self._step = []
        elif news.kind is NewsKind.RETRY and self._told:
            yield from self._breaking_off(news.data["code"], news.data["message"])

    def _breaking_off(self, code: str | None, message: str) -> Iterator[bytes]:
        """End the stream: what it has told is taken back, since the run begins anew."""
        why = f"The answer broke off: {message or 'the worker that ran it was stopped.'}"
        if self._is_background:
            self.has_ended = True
            yield self._event("error", code=code or "interrupted", message=why, param=None)
        else:
            self.has_broken_off = True
            yield from self._ending(FinishedRun(RunState.FAILED, error_code=code, error_message=why))

    def _text(self, at: int, text: str) -> Iterator[bytes]:
        """Tell what is new of a piece. Of what follows a gap nothing is told: the end has the whole."""
        new = text[self._told - at :] if at <= self._told else ""
        if not new:
            return
        if not self._told:
            yield from self._opened_message()
        self._step.append(new if self._step or not self._told else new.removeprefix(BETWEEN_STEPS))
        self._told += len(new)
        yield self._of_text("response.output_text.delta", delta=new, logprobs=[])

    def _opened_message(self) -> Iterator[bytes]:
        item = {**message_item(self._message, ""), "status": IN_PROGRESS, "content": []}
        yield self._event("response.output_item.added", output_index=0, item=item)
        yield self._of_text("response.content_part.added", part=text_part(""))
        self._next_output = 1

    def _ending(self, ended: FinishedRun) -> Iterator[bytes]:
        self.has_ended = True
        body = self._body_of(ended.state, ended)
        for item in body["output"]:
            match item["type"]:
                case "message":
                    yield from self._whole_message(item)
                case "reasoning":
                    yield from self._whole_thoughts(item)
                case "function_call":
                    yield from self._whole_call(item)
        self._number = max(self._number, self._after + 1)
        yield self._event(_ENDINGS.get(body["status"], "response.failed"), response=body)

    def _whole_message(self, item: Body) -> Iterator[bytes]:
        """Tell what is left of the answer. What an agent said before it used its tools is no part of that."""
        text: str = item["content"][0]["text"]
        said = "".join(self._step)
        if text.startswith(said) and (len(text) > len(said) or not self._told):
            if self._told:
                rest = text[len(said) :] if said else BETWEEN_STEPS + text
                yield self._of_text("response.output_text.delta", delta=rest, logprobs=[])
            else:
                yield from self._text(0, text) if text else self._opened_message()
        yield self._of_text("response.output_text.done", text=text, logprobs=[])
        yield self._of_text("response.content_part.done", part=item["content"][0])
        yield self._event("response.output_item.done", output_index=0, item=item)

    def _whole_thoughts(self, item: Body) -> Iterator[bytes]:
        place = self._take_place()
        (part,) = item["summary"]
        of = {"item_id": item["id"], "output_index": place, "summary_index": 0}
        yield self._event("response.output_item.added", output_index=place, item={**item, "summary": []})
        yield self._event("response.reasoning_summary_part.added", **of, part={**part, "text": ""})
        yield self._event("response.reasoning_summary_text.delta", **of, delta=part["text"])
        yield self._event("response.reasoning_summary_text.done", **of, text=part["text"])
        yield self._event("response.reasoning_summary_part.done", **of, part=part)
        yield self._event("response.output_item.done", output_index=place, item=item)

    def _whole_call(self, item: Body) -> Iterator[bytes]:
        place = self._take_place()
        of = {"item_id": item["id"], "output_index": place}
        begun = {**item, "arguments": "", "status": IN_PROGRESS}
        yield self._event("response.output_item.added", output_index=place, item=begun)
        yield self._event("response.function_call_arguments.delta", **of, delta=item["arguments"])
        yield self._event("response.function_call_arguments.done", **of, name=item["name"], arguments=item["arguments"])
        yield self._event("response.output_item.done", output_index=place, item=item)

    @property
    def _message(self) -> str:
        return item_id("msg", self._run_id)

    def _take_place(self) -> int:
        self._next_output += 1
        return self._next_output - 1

    def _of_text(self, kind: str, **values: Any) -> bytes:
        return self._event(kind, item_id=self._message, output_index=0, content_index=0, **values)

    def _event(self, kind: str, **values: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        if number <= self._after:
            return b""
        return event_bytes(kind, {"type": kind, "sequence_number": number, **values})

    def _sent(self, events: Iterator[bytes] | list[bytes]) -> list[bytes]:
        return [event for event in events if event]


def event_bytes(kind: str, data: Mapping[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
