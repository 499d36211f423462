"""Servers of one's own: vLLM, Ollama, LM Studio."""

from collections.abc import Mapping
from typing import Any

import orjson

from .base import COMMON_FIELDS, Refused, ServerDialect, format_of, refuse_images_by_address, user_parts


class VLLMServer(ServerDialect):
    """An older vLLM: knows `max_tokens` alone, and its errors have nothing around them."""

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as vLLM does."""
        if "max_completion_tokens" in body:
            raise Refused("[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens')}]")
        if user_parts(body, "file"):
            raise Refused("Unknown part type: file")

    def error(self, kind: str, code: str | None, message: str, status: int = 400) -> bytes:
        """Return an error as vLLM writes it: without a field around it, and with the status where there is no code."""
        told = {"message": message, "type": kind, "param": None, "code": code or status}
        return orjson.dumps({"object": "error"} | told)


class OllamaServer(ServerDialect):
    """Ollama: takes images in the call alone, sends a stream's tool calls whole and all of them as the first."""

    fields = COMMON_FIELDS - {"tool_choice"} | {"response_format", "stream_options", "seed", "reasoning_effort"}
    reasoning_field = "reasoning"
    has_whole_calls = True

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as Ollama does, and for what it would ignore without a word."""
        super().check(headers, body)
        refuse_images_by_address(body)
        if user_parts(body, "file"):
            raise Refused("invalid message format")

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta; all calls have the index 0."""
        if "tool_calls" in delta:
            return {**delta, "tool_calls": [{**call, "index": 0} for call in delta["tool_calls"]]}
        return delta


class LMStudioServer(ServerDialect):
    """LM Studio: an error is a text, and `json_object` is no response format."""

    fields = COMMON_FIELDS | {"response_format", "stream_options", "seed", "logit_bias", "reasoning_effort"}

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused as LM Studio does."""
        super().check(headers, body)
        refuse_images_by_address(body)
        if format_of(body) == "json_object":
            raise Refused("'response_format.type' must be 'json_schema' or 'text'")

    def error(self, kind: str, code: str | None, message: str, status: int = 400) -> bytes:
        """Return an error as LM Studio writes it: a text."""
        too_long = "The number of tokens to keep from the initial prompt is greater than the context length"
        return orjson.dumps({"error": too_long if code == "context_length_exceeded" else message})


class CompatibleServer(ServerDialect):
    """A server that knows little: no response format, no usage, tool calls without ids and as objects."""

    fields = COMMON_FIELDS | {"seed"}
    has_embeddings = False
    has_whole_calls = True

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message; a single call is told in the older field."""
        calls = message.pop("tool_calls", [])
        functions = [_with_object(call["function"]) for call in calls]
        if len(functions) == 1:
            return {**message, "function_call": functions[0]}
        return {**message, "tool_calls": [{"function": function} for function in functions]} if functions else message

    def finish_reason(self, reason: str) -> str:
        """Return that it stopped, also where it calls tools."""
        return "stop" if reason == "tool_calls" else reason

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta; calls come whole, without place and id."""
        if "tool_calls" in delta:
            calls = [{"function": _with_object(call["function"])} for call in delta["tool_calls"]]
            return {**delta, "tool_calls": calls}
        return delta

    def usage(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return nothing."""
        return {}


def _with_object(function: dict[str, Any]) -> dict[str, Any]:
    return {**function, "arguments": orjson.loads(function["arguments"])}
