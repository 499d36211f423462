"""Gemini's compatible endpoint: errors in a list, signed tool calls, JSON not in a call with tools."""

from collections.abc import Mapping
from typing import Any

import orjson

from .base import COMMON_FIELDS, Refused, ServerDialect, answered_calls, format_of, refuse_images_by_address, user_parts

SIGNATURE = {"google": {"thought_signature": "c2lnbmVk"}}


class GeminiServer(ServerDialect):
    """Refuses unknown names, and tool calls that come back without their signature."""

    fields = COMMON_FIELDS | {
        "response_format",
        "stream_options",
        "seed",
        "reasoning_effort",
        "verbosity",
        "extra_body",
    }

    def unknown(self, name: str) -> Refused:
        """Return Google's words."""
        return Refused(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as Gemini does."""
        super().check(headers, body)
        refuse_images_by_address(body)
        if user_parts(body, "file"):
            raise Refused("Invalid content part type: file")
        if format_of(body) and body.get("tools"):
            raise Refused("Function calling with a response mime type: 'application/json' is unsupported")
        calls = [call for message in answered_calls(body) for call in message["tool_calls"]]
        if any(call.get("extra_content") != SIGNATURE for call in calls):
            raise Refused("Function call is missing a thought_signature in functionCall parts.")

    def error(self, kind: str, code: str | None, message: str, status: int = 400) -> bytes:
        """Return an error as Google writes it: in a list, its reason among the details."""
        reason = "API_KEY_INVALID" if code == "invalid_api_key" else code or kind
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
        return orjson.dumps([{"error": {"code": status, "message": message, "status": "X", "details": details}}])

    def model_id(self, name: str) -> str:
        """Return the name of a resource."""
        return f"models/{name}"

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message whose calls are signed."""
        return self.delta(message)

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta whose calls are signed, each at its first piece, and have no index."""
        if not delta.get("tool_calls"):
            return delta
        calls = [_signed(call) for call in delta["tool_calls"]]
        return {**delta, "tool_calls": calls}


def _signed(call: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in call.items() if name != "index"}
    return {**bare, "extra_content": SIGNATURE} if call.get("id") else bare
