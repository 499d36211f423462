"""A dialect of the server: what it takes, what it refuses, and how its answers look."""

from collections.abc import Mapping
from typing import Any

import orjson

# What every server that speaks chat completions knows.
COMMON_FIELDS = frozenset(
    {"model", "messages", "stream", "tools", "tool_choice", "temperature", "top_p", "stop", "max_tokens"}
    | {"presence_penalty", "frequency_penalty"}
)


class Refused(Exception):
    """What the server does not take: told with `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ServerDialect:
    """A server that takes everything and answers as OpenAI does; the others differ from it."""

    key_header = "Authorization"
    key_prefix = "Bearer "
    # Top-level fields that it knows; None: it ignores those that it does not know.
    fields: frozenset[str] | None = None
    # The field of a message that holds the model's thoughts.
    reasoning_field = "reasoning_content"
    has_embeddings = True
    # Whether anybody may list the models.
    has_open_models = False
    # Whether a stream tells usage without being asked by stream_options.
    has_usage_unasked = False
    # Whether a stream tells each tool call in one piece.
    has_whole_calls = False

    def key(self, headers: Mapping[str, str]) -> str:
        """Return the key of a call."""
        return headers.get(self.key_header, "").removeprefix(self.key_prefix)

    def check(self, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """Raise Refused where the server does not take a call."""
        if self.fields is not None and (unknown := sorted(set(body) - self.fields)):
            raise self.unknown(unknown[0])

    def unknown(self, name: str) -> Refused:
        """Return the refusal of a field that the server does not know."""
        return Refused(f"Unrecognized request argument supplied: {name}")

    def check_embedding(self, body: dict[str, Any]) -> None:
        """Raise Refused where the server does not take a call for embeddings."""
        if not self.has_embeddings:
            raise Refused("Unknown request URL", 404)

    def dimensions(self, body: dict[str, Any], usual: int) -> int:
        """Return how many numbers a vector is to have."""
        return int(body.get("dimensions", usual))

    def error(self, kind: str, code: str | None, message: str, status: int = 400) -> bytes:
        """Return the body of an error."""
        return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})

    def model_id(self, name: str) -> str:
        """Return how the list of models writes a name."""
        return name

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a whole answer's message in this dialect."""
        return message

    def delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta of a stream in this dialect."""
        return delta

    def finish_reason(self, reason: str) -> str:
        """Return why an answer ends."""
        return reason

    def usage(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return how usage is told."""
        return usage

    def usage_of_stream(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a stream's last event that tell usage."""
        return {"usage": self.usage(usage)}


def user_parts(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the parts of `kind` in the messages."""
    contents = [message.get("content") for message in body["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [part for part in parts if part.get("type") == kind]


def refuse_images_by_address(body: dict[str, Any]) -> None:
    """Raise Refused for an image that the server would have to fetch."""
    for part in user_parts(body, "image_url"):
        if not part["image_url"]["url"].startswith("data:"):
            raise Refused("invalid image input")


def format_of(body: dict[str, Any]) -> str:
    """Return the type of the response format that was asked for."""
    return str((body.get("response_format") or {}).get("type", ""))


def answered_calls(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the assistant's messages with tool calls."""
    return [message for message in body["messages"] if message.get("tool_calls")]
