"""Puts a streamed answer together from its events.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Mapping
from typing import Any

import orjson

from agents.llm.tokens import utf8_size
from agents.llm.types import Completion, CompletionRequest
from workers.errors import ErrorCode, WorkError

from .errors import error_of_event
from .wire import COUNTS, parse_completion, written

# Counted for each event of a block, so that endless empty ones reach the bound, too.
_EVENT_OVERHEAD = 16
# What a delta of each type adds, by its own name, and the field of the block that it is added to.
_GROWING = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}


class Assembler:
    """One streamed answer."""

    def __init__(self, request: CompletionRequest, secret: str, max_bytes: int) -> None:
        """Put the answer to `request` together; it may be `max_bytes` large. `secret` never shows in an error."""
        self._request = request
        self._secret = secret
        self._left = max_bytes
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, dict[str, list[str]]] = {}
        self.is_over = False

    def add(self, event: dict[str, Any]) -> str:
        """Take an event in and return the text that it adds. Raises WorkError for an error and an answer too large."""
        match event.get("type"):
            case "content_block_delta":
                return self._add_delta(event.get("index"), _object(event, "delta"))
            case "content_block_start":
                return self._begin(event.get("index"), _object(event, "content_block"))
            case "message_start":
                self._take_facts(_object(event, "message"))
            case "message_delta":
                self._take_facts({**_object(event, "delta"), "usage": event.get("usage")})
            case "message_stop":
                self.is_over = True
            case _ if event.get("error"):
                raise error_of_event(event["error"], self._secret)
        return ""

    def finish(self, headers: Mapping[str, str]) -> Completion:
        """Return the whole. Raises WorkError `bad_response` where the stream ended before the answer did."""
        if not self._message.get("stop_reason"):
            raise WorkError(ErrorCode.BAD_RESPONSE, "the stream ended before the answer did")
        content = [self._finished(place, block) for place, block in sorted(self._blocks.items())]
        message = {**self._message, "content": content, "usage": self._usage}
        return parse_completion(message, headers, self._request, self._secret)

    def _take_facts(self, facts: dict[str, Any]) -> None:
        """Keep what is told of the message; the counts of a later event are totals, and replace those before."""
        for name in ("id", "model", "stop_reason", "stop_details"):
            if facts.get(name):
                self._message[name] = facts[name]
        usage = facts.get("usage")
        if isinstance(usage, dict):
            self._usage |= {name: usage[name] for name in COUNTS if usage.get(name) is not None}

    def _begin(self, place: Any, block: dict[str, Any]) -> str:
        if not isinstance(place, int) or not block:
            raise WorkError(ErrorCode.BAD_RESPONSE, "a block of the stream begins without its place or content")
        # Some servers put the beginning, or all, of a block here.
        self._take(len(written(block)))
        self._blocks[place] = block
        text = block.get("text") if block.get("type") == "text" else None
        return text if isinstance(text, str) else ""

    def _add_delta(self, place: Any, delta: dict[str, Any]) -> str:
        if not isinstance(place, int) or place not in self._blocks:
            raise WorkError(ErrorCode.BAD_RESPONSE, "a piece of the stream belongs to no block")
        source, field = _GROWING.get(str(delta.get("type")), ("", ""))
        piece = delta.get(source)
        if not isinstance(piece, str):
            self._take(0)
            return ""
        self._take(utf8_size(piece))
        self._pieces.setdefault(place, {}).setdefault(field, []).append(piece)
        return piece if field == "text" else ""

    def _take(self, size: int) -> None:
        self._left -= size + _EVENT_OVERHEAD
        if self._left < 0:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the streamed answer is too large")

    def _finished(self, place: int, block: dict[str, Any]) -> dict[str, Any]:
        finished = dict(block)
        for field, pieces in self._pieces.get(place, {}).items():
            begun = block.get(field)
            grown = "".join([begun if isinstance(begun, str) else "", *pieces])
            finished[field] = _arguments(grown) if field == "input" else grown
        return finished


def _arguments(written: str) -> Any:
    """Return the arguments of a tool call as the object that they are, or as they stand where they are none."""
    try:
        parsed = orjson.loads(written or "{}")
    except orjson.JSONDecodeError:
        return written
    return parsed if isinstance(parsed, dict) else written


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}
