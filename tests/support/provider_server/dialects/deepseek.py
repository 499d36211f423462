"""DeepSeek: its own name of cached tokens, JSON only where the prompt says so, thoughts to be sent back."""

from collections.abc import Mapping
from typing import Any

import orjson

from .base import COMMON_FIELDS, Refused, ServerDialect, answered_calls, format_of, user_parts

THOUGHT = "The calculator knows."


class DeepSeekServer(ServerDialect):
    """Refuses what its reference does not know."""

    fields = COMMON_FIELDS | {"response_format", "stream_options", "seed", "reasoning_effort", "thinking", "verbosity"}
    has_embeddings = False

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as DeepSeek does."""
        super().check(headers, body)
        if format_of(body) == "json_schema":
            raise Refused("This response_format type is unavailable now")
        if format_of(body) == "json_object" and b"json" not in orjson.dumps(body["messages"]).lower():
            raise Refused(
                "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
            )
        if user_parts(body, "image_url") and body["model"] != "deepseek-flash":
            raise Refused("unknown variant `image_url`, expected `text`")
        if any(message.get("reasoning_content") != THOUGHT for message in answered_calls(body)):
            raise Refused("The reasoning_content in the thinking mode must be passed back to the API.")

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with the thought that led to its calls."""
        return {**message, "reasoning_content": THOUGHT} if message.get("tool_calls") else message

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta; the thought comes before the first call."""
        starts = any(call.get("id") and call["index"] == 0 for call in delta.get("tool_calls", ()))
        return {**delta, "reasoning_content": THOUGHT} if starts else delta

    def usage(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return usage with DeepSeek's own name of cached tokens."""
        cached = usage.pop("prompt_tokens_details", {}).get("cached_tokens", 0)
        return {**usage, "prompt_cache_hit_tokens": cached, "prompt_cache_miss_tokens": usage["prompt_tokens"] - cached}
