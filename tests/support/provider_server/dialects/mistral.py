"""Mistral: strict about fields and ids, thoughts as parts of the content."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from .base import COMMON_FIELDS, Refused, ServerDialect, user_parts

_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class MistralServer(ServerDialect):
    """Refuses unknown fields with 422 and ids that are not nine letters and digits."""

    fields = COMMON_FIELDS | {
        "random_seed",
        "response_format",
        "parallel_tool_calls",
        "safe_prompt",
        "reasoning_effort",
    }
    has_usage_unasked = True

    def unknown(self, name: str) -> Refused:
        """Return the kind of refusal that Mistral's validation gives."""
        return Refused(f"Extra inputs are not permitted: {name}", 422)

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as Mistral does."""
        super().check(headers, body)
        if body.get("tool_choice", "auto") not in ("auto", "none", "any"):
            raise Refused("tool_choice: Input should be 'auto', 'none' or 'any'", 422)
        if user_parts(body, "file"):
            raise Refused("Input tag 'file' found using 'type' does not match any of the expected tags", 422)
        for message in body["messages"]:
            ids = [call["id"] for call in message.get("tool_calls") or ()] + [message.get("tool_call_id") or "0" * 9]
            if not all(map(_CALL_ID.fullmatch, ids)):
                raise Refused("Tool call id has to be a-z, A-Z, 0-9, with a length of 9.")

    def check_embedding(self, body: dict[str, Any]) -> None:
        """Raise Refused for OpenAI's name of the size."""
        if "dimensions" in body:
            raise self.unknown("dimensions")

    def dimensions(self, body: dict[str, Any], usual: int) -> int:
        """Return how many numbers a vector is to have."""
        return int(body.get("output_dimension", usual))

    def error(self, kind: str, code: str | None, message: str, status: int = 400) -> bytes:
        """Return an error as Mistral writes it: flat, and of wrong fields a list."""
        if status == 422:
            return orjson.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body"], "msg": message}]})
        return orjson.dumps({"object": "error", "message": message, "type": kind, "param": None, "code": code})

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message whose thought is a part of the content."""
        return self.delta(message)

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta whose thought is a part of the content."""
        thought = delta.pop(self.reasoning_field, "")
        if not thought:
            return delta
        parts: list[dict[str, Any]] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
        if delta.get("content"):
            parts.append({"type": "text", "text": delta["content"]})
        return {**delta, "content": parts}
