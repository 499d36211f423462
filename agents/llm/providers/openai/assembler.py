"""Puts a streamed answer together from its deltas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.llm.tokens import utf8_size
from agents.llm.types import Completion, CompletionRequest, ToolCall
from workers.errors import ErrorCode, WorkError

from .errors import error_of_event
from .wire import content_text, first_choice, make_completion

# Counted for each delta of a tool call, so that endless empty ones reach the bound, too.
_DELTA_OVERHEAD = 16


@dataclass(slots=True)
class _GrowingCall:
    """A tool call whose arguments still come."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Assembler:
    """One streamed answer."""

    def __init__(self, request: CompletionRequest, secret: str, max_bytes: int) -> None:
        """Put the answer to `request` together; it may be `max_bytes` large. `secret` never shows in an error."""
        self._request = request
        self._secret = secret
        self._left = max_bytes
        self._text: list[str] = []
        self._refused = False
        self._calls: dict[int, _GrowingCall] = {}
        self._finish_reason: str | None = None
        self._facts: dict[str, Any] = {}

    def add(self, event: dict[str, Any]) -> str:
        """Take an event in and return the text that it adds. Raises WorkError for an error and an answer too large."""
        if event.get("error"):
            raise error_of_event(event["error"], self._secret)
        for name in ("id", "model", "usage"):
            if event.get(name):
                self._facts[name] = event[name]
        choice = first_choice(event)
        if choice is None:
            return ""
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta")
        return self._add_delta(delta) if isinstance(delta, dict) else ""

    def finish(self, headers: Mapping[str, str]) -> Completion:
        """Return the whole. Raises WorkError `bad_response` where the stream ended before the answer did."""
        if self._finish_reason is None:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the stream ended before the answer did")
        calls = tuple(self._finished(call) for _, call in sorted(self._calls.items()))
        return make_completion(
            text="".join(self._text),
            tool_calls=calls,
            finish_reason=self._finish_reason,
            refusal=self._refused,
            parsed=self._facts,
            headers=headers,
            request=self._request,
        )

    def _add_delta(self, delta: dict[str, Any]) -> str:
        self._refused = self._refused or bool(delta.get("refusal"))
        items = delta.get("tool_calls")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                self._add_call(item)
        text = content_text(delta.get("content"))
        if text:
            self._take(utf8_size(text))
            self._text.append(text)
        return text

    def _add_call(self, item: dict[str, Any]) -> None:
        place = item.get("index")
        # Servers that leave the index out send each call whole.
        call = self._calls.setdefault(place if isinstance(place, int) else len(self._calls), _GrowingCall())
        call.id = call.id or str(item.get("id") or "")
        function = item.get("function")
        if isinstance(function, dict):
            call.name = call.name or str(function.get("name") or "")
            call.arguments.append(str(function.get("arguments") or ""))
            self._take(utf8_size(call.name) + utf8_size(call.arguments[-1]))
        self._take(_DELTA_OVERHEAD)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the streamed answer is too large")

    def _finished(self, call: _GrowingCall) -> ToolCall:
        if not call.name:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds a tool call without a name")
        return ToolCall(call.id, call.name, "".join(call.arguments))
