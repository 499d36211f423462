"""One call: what was asked, and what the answer says."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from .config import ServerConfig

# Output tokens that a call reserves at admission when it sets no limit; OpenAI's old completions had this default.
DEFAULT_MAX_TOKENS = 16


@dataclass(slots=True)
class Call:
    """A parsed request. `content` stands for its messages in the counters."""

    key: str
    body: dict[str, Any]
    content: str
    prompt_tokens: int

    @classmethod
    def parse(cls, raw: bytes, key: str) -> "Call":
        """Return the call in `raw`. Raises ValueError where it is not a chat completion."""
        body = orjson.loads(raw)
        messages = body["messages"] if isinstance(body, dict) else None
        if not isinstance(messages, list) or not messages or not isinstance(body.get("model"), str):
            raise ValueError("model and messages are required")
        digest = blake2b(orjson.dumps(messages), digest_size=8).hexdigest()
        return cls(key, body, digest, len(raw) // 4)

    @property
    def most_tokens(self) -> int:
        """The tokens of the prompt and the most that the answer may have."""
        limit = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        return self.prompt_tokens + (DEFAULT_MAX_TOKENS if limit is None else limit)

    @property
    def last_user_text(self) -> str:
        """The text of the user's last message."""
        for message in reversed(self.body["messages"]):
            if message.get("role") == "user":
                return message["content"]
        return ""

    def tool_calls(self, script: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the tool calls of the next step of `script`, in the wire's form."""
        step = sum(1 for message in self.body["messages"] if message.get("tool_calls"))
        if step >= len(script):
            return []
        return [
            {"id": f"call_{step}_{place}", "type": "function", "function": _function(call)}
            for place, call in enumerate(script[step])
        ]


def _function(call: dict[str, Any]) -> dict[str, str]:
    arguments = call.get("arguments", {})
    return {
        "name": call["name"],
        "arguments": arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode(),
    }


@dataclass(slots=True)
class Answer:
    """What the server says to a call."""

    call: Call
    text: str
    tool_calls: list[dict[str, Any]]
    finish_reason: str
    usage: dict[str, int] | None
    overrides: dict[str, Any]

    @classmethod
    def to(cls, call: Call, config: ServerConfig) -> "Answer":
        """Return the answer to `call`."""
        calls = call.tool_calls(config.tool_calls)
        text = "" if calls else (config.text if config.reply == "fixed" else call.last_user_text)
        completion = max(len(text) // 4, 1)
        total = call.prompt_tokens + completion
        usage = {"prompt_tokens": call.prompt_tokens, "completion_tokens": completion, "total_tokens": total}
        told = usage if config.usage else None
        return cls(call, text, calls, "tool_calls" if calls else "stop", told, config.overrides)

    def whole(self) -> bytes:
        """Return the body of a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        body = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": self.call.body["model"]}
        usage = {"usage": self.usage} if self.usage else {}
        return orjson.dumps(body | {"choices": [choice]} | usage | self.overrides)

    def events(self, chunk_size: int) -> list[bytes]:
        """Return the events of a streamed answer, tool calls and text in pieces of `chunk_size` characters."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": self.text[at : at + chunk_size]} for at in range(0, len(self.text), chunk_size)]
        for index, call in enumerate(self.tool_calls):
            deltas += _call_deltas(index, call, chunk_size)
        events = [self.event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
        events.append(self.event([{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]))
        options = self.call.body.get("stream_options") or {}
        if self.usage and options.get("include_usage"):
            events.append(self.event([], usage=self.usage))
        return events

    def event(self, choices: list[dict[str, Any]], **values: Any) -> bytes:
        """Return one event."""
        chunk = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "model": self.call.body["model"]}
        return b"data: " + orjson.dumps(chunk | {"choices": choices} | values) + b"\n\n"


def _call_deltas(index: int, call: dict[str, Any], size: int) -> list[dict[str, Any]]:
    written = call["function"]["arguments"]
    first = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
    pieces = [written[at : at + size] for at in range(0, len(written), size)]
    return [
        {"tool_calls": [first]},
        *({"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces),
    ]
