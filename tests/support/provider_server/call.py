"""One call: what was asked, and what the answer says."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

import orjson

from .config import ServerConfig
from .dialects import DIALECTS, ServerDialect

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

    def refusal(self, headers: Any, config: ServerConfig) -> str | None:
        """Return what is wrong with the call, beside what its dialect says; None where nothing is."""
        return None

    def answer(self, config: ServerConfig) -> "Answer":
        """Return the answer to the call."""
        return Answer.to(self, config)

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
                return _text(message["content"])
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


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


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
    usage: dict[str, Any]
    config: ServerConfig
    dialect: ServerDialect

    @classmethod
    def to(cls, call: Call, config: ServerConfig) -> Self:
        """Return the answer to `call`."""
        calls = call.tool_calls(config.tool_calls)
        text = "" if calls else (config.text if config.reply == "fixed" else call.last_user_text)
        completion = max(len(text) // 4, 1) + config.reasoning_tokens
        total = call.prompt_tokens + completion
        usage = {"prompt_tokens": call.prompt_tokens, "completion_tokens": completion, "total_tokens": total}
        if config.cached_tokens or config.reasoning_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": config.cached_tokens}
            usage["completion_tokens_details"] = {"reasoning_tokens": config.reasoning_tokens}
        reason = "tool_calls" if calls else "stop"
        return cls(call, text, calls, reason, usage, config, DIALECTS[config.dialect])

    def headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers of the answer, of which `headers` are OpenAI's."""
        return headers

    @property
    def ending(self) -> bytes:
        """What follows the last event of a stream."""
        return b"data: [DONE]\n\n"

    def whole(self) -> bytes:
        """Return the body of a whole answer."""
        dialect = self.dialect
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": None}
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        if self.config.reasoning:
            message[dialect.reasoning_field] = self.config.reasoning
        reason = dialect.finish_reason(self.finish_reason)
        choice = {"index": 0, "message": dialect.message(message), "finish_reason": reason, "logprobs": None}
        body = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": self.call.body["model"]}
        usage = dialect.usage(self.usage) if self.config.usage else {}
        return orjson.dumps(body | {"choices": [choice]} | ({"usage": usage} if usage else {}) | self.config.overrides)

    def events(self, chunk_size: int) -> list[bytes]:
        """Return the events of a streamed answer, tool calls and text in pieces of `chunk_size` characters."""
        dialect = self.dialect
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{dialect.reasoning_field: piece} for piece in _pieces(self.config.reasoning, chunk_size)]
        deltas += [{"content": piece} for piece in _pieces(self.text, chunk_size)]
        for index, call in enumerate(self.tool_calls):
            deltas += [_whole_call(index, call)] if dialect.has_whole_calls else _call_deltas(index, call, chunk_size)
        events = [self.event([{"index": 0, "delta": dialect.delta(delta), "finish_reason": None}]) for delta in deltas]
        reason = dialect.finish_reason(self.finish_reason)
        events.append(self.event([{"index": 0, "delta": {}, "finish_reason": reason}]))
        options = self.call.body.get("stream_options") or {}
        if self.config.usage and (options.get("include_usage") or dialect.has_usage_unasked):
            events.append(self.event([], **dialect.usage_of_stream(self.usage)))
        return events

    def event(self, choices: list[dict[str, Any]], **values: Any) -> bytes:
        """Return one event."""
        chunk = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "model": self.call.body["model"]}
        return b"data: " + orjson.dumps(chunk | {"choices": choices} | values) + b"\n\n"


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _whole_call(index: int, call: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{**call, "index": index}]}


def _call_deltas(index: int, call: dict[str, Any], size: int) -> list[dict[str, Any]]:
    first = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
    pieces = _pieces(call["function"]["arguments"], size)
    return [
        {"tool_calls": [first]},
        *({"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces),
    ]
