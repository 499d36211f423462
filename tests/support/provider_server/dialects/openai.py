"""OpenAI itself, and Azure, which wants the key in a header of its own."""

from collections.abc import Mapping
from typing import Any

from .base import COMMON_FIELDS, Refused, ServerDialect, user_parts

_FIELDS = COMMON_FIELDS | {
    "max_completion_tokens",
    "reasoning_effort",
    "response_format",
    "stream_options",
    "parallel_tool_calls",
    "seed",
    "logit_bias",
    "service_tier",
    "store",
    "metadata",
    "user",
    "prompt_cache_key",
    "safety_identifier",
    "verbosity",
}
_REASONING = ("gpt-5", "gpt-6", "o1", "o3", "o4")


class OpenAIServer(ServerDialect):
    """Refuses what it does not know, and of a reasoning model what that does not take."""

    fields = _FIELDS

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as OpenAI does."""
        super().check(headers, body)
        if body["model"].startswith(_REASONING):
            for name in ("max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty"):
                if name in body:
                    raise Refused(f"Unsupported parameter: '{name}' is not supported with this model.")
        for part in user_parts(body, "file"):
            if not part["file"]["file_data"].startswith("data:"):
                raise Refused("Invalid file data: expected a base64-encoded data URL")


class AzureServer(OpenAIServer):
    """The same behind another header; a bearer token would be one of Entra, which a key is not."""

    key_header = "api-key"
    key_prefix = ""

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as Azure does."""
        if "Authorization" in headers or "OpenAI-Organization" in headers:
            raise Refused("Access denied due to an invalid token.", 401)
        super().check(headers, body)
        if user_parts(body, "file"):
            raise Refused("Invalid value: 'file'.")
