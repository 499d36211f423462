"""Groq: usage of a stream in a place of its own, response formats neither with tools nor in streams."""

from collections.abc import Mapping
from typing import Any

from .base import COMMON_FIELDS, Refused, ServerDialect, format_of


class GroqServer(ServerDialect):
    """Refuses what its reference calls unsupported."""

    fields = (
        COMMON_FIELDS - {"max_tokens"}
        | {"max_completion_tokens", "response_format", "seed", "user"}
        | {
            "reasoning_effort",
            "parallel_tool_calls",
            "service_tier",
            "verbosity",
        }
    )
    reasoning_field = "reasoning"
    has_embeddings = False
    has_usage_unasked = True

    def unknown(self, name: str) -> Refused:
        """Return Groq's words."""
        return Refused(f"property '{name}' is unsupported")

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as Groq does."""
        super().check(headers, body)
        if format_of(body) and (body.get("tools") or body.get("stream")):
            raise Refused("json mode cannot be combined with tool/function calling, nor with streaming")
        if format_of(body) == "json_schema" and not body["model"].startswith("openai/gpt-oss"):
            raise Refused("This model does not support response format `json_schema`.")

    def usage_of_stream(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return usage where Groq puts it."""
        return {"x_groq": {"id": "req_1", "usage": usage}}
