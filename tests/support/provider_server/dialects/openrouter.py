"""OpenRouter: efforts in an object, thoughts to be sent back, and response formats of some models alone."""

from collections.abc import Mapping
from typing import Any

from .base import COMMON_FIELDS, Refused, ServerDialect, answered_calls, format_of

THOUGHT = {"type": "reasoning.encrypted", "data": "c2lnbmVk", "id": "rs_1", "format": "x", "index": 0}


class OpenRouterServer(ServerDialect):
    """Refuses OpenAI's own name of the effort, which the real one would take for some models alone."""

    fields = (
        COMMON_FIELDS
        | {"response_format", "stream_options", "seed", "reasoning", "logit_bias"}
        | {
            "parallel_tool_calls",
            "user",
            "verbosity",
        }
    )
    reasoning_field = "reasoning"
    has_open_models = True

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as OpenRouter does."""
        super().check(headers, body)
        if format_of(body) and not body["model"].startswith("openai/"):
            raise Refused("No endpoints found that can handle the requested parameters.", 404)
        if headers.get("X-Title") != "Arboretum":
            raise Refused("the app does not say who it is")
        if any(message.get("reasoning_details") != [THOUGHT] for message in answered_calls(body)):
            raise Refused("Reasoning details are missing in an assistant message with tool calls")

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with its signed thought."""
        return {**message, "reasoning_details": [THOUGHT]} if message.get("tool_calls") else message

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta; the signed thought comes in two pieces, before the first call."""
        starts = any(call.get("id") and call["index"] == 0 for call in delta.get("tool_calls", ()))
        if not starts:
            return delta
        first, second = {**THOUGHT, "data": "c2ln"}, {"type": THOUGHT["type"], "data": "bmVk", "index": 0, "id": None}
        return {**delta, "reasoning_details": [first, second]}
