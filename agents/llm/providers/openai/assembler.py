"""Puts a streamed answer together from its deltas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.llm.tokens import utf8_size
from agents.llm.types import Completion, CompletionRequest, ToolCall
from workers.errors import ErrorCode, WorkError

from .answers import (
    arguments_text,
    find_usage,
    parse_usage,
    read_replay,
    reasoning_text,
    tool_call_items,
    with_ids,
    written,
)
from .dialect import PLAIN, Dialect
from .errors import error_of_event
from .replay import GrowingReplay
from .wire import content_text, first_choice, make_completion

# Counted for each delta of a tool call, so that endless empty ones reach the bound, too.
_DELTA_OVERHEAD = 16


@dataclass(slots=True)
class _GrowingCall:
    """A tool call whose arguments still come; `extra` is what the server wants back with it."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


class Assembler:
    """One streamed answer."""

    def __init__(self, request: CompletionRequest, secret: str, max_bytes: int, dialect: Dialect = PLAIN) -> None:
        """Put the answer to `request` together; it may be `max_bytes` large. `secret` never shows in an error."""
        self._request = request
        self._secret = secret
        self._left = max_bytes
        self._dialect = dialect
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refused = False
        self._calls: dict[int, _GrowingCall] = {}
        self._last_place = -1
        self._replay = GrowingReplay(dialect.replayed)
        self._finish_reason: str | None = None
        self._facts: dict[str, Any] = {}
        self._usage: Any = None

    def add(self, event: dict[str, Any]) -> str:
        """Take an event in and return the text that it adds. Raises WorkError for an error and an answer too large."""
        if event.get("error"):
            raise error_of_event(event["error"], self._secret)
        for name in ("id", "model"):
            if event.get(name):
                self._facts[name] = event[name]
        self._usage = find_usage(event, self._dialect) or self._usage
        choice = first_choice(event)
        if choice is None:
            return ""
        if choice.get("error"):
            raise error_of_event(choice["error"], self._secret)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta")
        return self._add_delta(delta) if isinstance(delta, dict) else ""

    def finish(self, headers: Mapping[str, str]) -> Completion:
        """Return the whole. Raises WorkError `bad_response` where the stream ended before the answer did."""
        if self._finish_reason is None:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the stream ended before the answer did")
        growing = [call for _, call in sorted(self._calls.items())]
        calls = with_ids(tuple(map(self._finished, growing)), self._request)
        return make_completion(
            text="".join(self._text),
            tool_calls=calls,
            finish_reason=self._finish_reason,
            refusal=self._refused,
            reasoning="".join(self._reasoning),
            replay=read_replay(self._replay.fields(), [call.extra for call in growing], self._dialect),
            usage=parse_usage(self._usage, self._dialect),
            parsed=self._facts,
            headers=headers,
            request=self._request,
        )

    def _add_delta(self, delta: dict[str, Any]) -> str:
        self._refused = self._refused or bool(delta.get("refusal"))
        for item in tool_call_items(delta):
            if isinstance(item, dict):
                self._add_call(item)
        self._take(self._replay.add(delta))
        thought = reasoning_text(delta)
        if thought:
            self._take(utf8_size(thought))
            self._reasoning.append(thought)
        text = content_text(delta.get("content"))
        if text:
            self._take(utf8_size(text))
            self._text.append(text)
        return text

    def _add_call(self, item: dict[str, Any]) -> None:
        place = self._place(item)
        self._last_place = max(self._last_place, place)
        call = self._calls.setdefault(place, _GrowingCall())
        if not call.id:
            call.id = str(item.get("id") or "")
            self._take(utf8_size(call.id))
        function = item.get("function")
        if isinstance(function, dict):
            call.name = call.name or str(function.get("name") or "")
            call.arguments.append(arguments_text(function.get("arguments")))
            self._take(utf8_size(call.name) + utf8_size(call.arguments[-1]))
        for name in self._dialect.replayed_of_calls:
            if item.get(name):
                call.extra[name] = item[name]
                self._take(len(written(item[name])))
        self._take(_DELTA_OVERHEAD)

    def _place(self, item: dict[str, Any]) -> int:
        """Return which call `item` belongs to.

        Servers that leave the index out, or give all calls the same one, send each call whole: another id, or another
        name, begins another call.
        """
        given = item.get("index")
        place = given if isinstance(given, int) else max(self._last_place, 0)
        known = self._calls.get(place)
        if known is None:
            return place
        function = item.get("function")
        has_name = isinstance(function, dict) and bool(function.get("name"))
        is_named_anew = has_name and known.name != "" and (given is None or item.get("id") not in (None, "", known.id))
        return self._last_place + 1 if is_named_anew else place

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the streamed answer is too large")

    def _finished(self, call: _GrowingCall) -> ToolCall:
        if not call.name:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds a tool call without a name")
        return ToolCall(call.id, call.name, "".join(call.arguments) or "{}")
