"""The server as Anthropic: POST /v1/messages and its list of models, refusing what the real one refuses.

https://platform.claude.com/docs/en/api/messages. Limits, faults, latency and counters are those of the whole server:
what it says as OpenAI is put into Anthropic's words on the way out.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from .call import Answer, Call
from .config import ServerConfig
from .faults import json_response
from .messages_rules import find_fault

PATH = "/v1/messages"
SIGNATURE = "sig-"
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_STATUSES = {503: 529}
# What the real one says, for faults whose cause stands in the words alone.
_WORDS = {
    "insufficient_quota": (400, "Your credit balance is too low to access the Anthropic API."),
    "context_length_exceeded": (400, "prompt is too long: 250000 tokens > 200000 maximum"),
    "content_policy_violation": (400, "Output blocked by content filtering policy"),
}


def in_anthropics_words(response: web.StreamResponse) -> web.StreamResponse:
    """Return `response` with an error, and the limits in its headers, as Anthropic tells them."""
    if response.prepared or not isinstance(response, web.Response):
        return response
    for name, value in told_headers(dict(response.headers)).items():
        response.headers[name] = value
    for name in [name for name in response.headers if name.lower().startswith("x-ratelimit-")]:
        del response.headers[name]
    if response.content_type == "application/json" and isinstance(response.body, bytes) and b'"error"' in response.body:
        status, response.body = _error(response.status, orjson.loads(response.body)["error"])
        response.set_status(status)
    return response


def told_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return `x-ratelimit-*` headers as Anthropic's, the time of reset in place of the seconds until it."""
    told = {"request-id": headers.get("x-request-id", "req_fake")}
    for kind, name in (("requests", "requests"), ("tokens", "input-tokens")):
        if f"x-ratelimit-limit-{kind}" in headers:
            told[f"anthropic-ratelimit-{name}-limit"] = headers[f"x-ratelimit-limit-{kind}"]
            told[f"anthropic-ratelimit-{name}-remaining"] = headers[f"x-ratelimit-remaining-{kind}"]
            reset = datetime.now(UTC) + timedelta(seconds=30)
            told[f"anthropic-ratelimit-{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
    return told


def models(request: web.BaseRequest, config: ServerConfig) -> web.Response:
    """Return a page of the models: `limit` of them after `after_id`."""
    names = config.models
    after = request.query.get("after_id")
    begin = names.index(after) + 1 if after in names else 0
    page = names[begin : begin + min(int(request.query.get("limit", 20)), config.models_page)]
    data = [{"type": "model", "id": name, "display_name": name, "lifecycle": "active"} for name in page]
    has_more = begin + len(page) < len(names)
    ids = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    return json_response(orjson.dumps({"data": data, "has_more": has_more, **ids}))


def _error(status: int, error: dict[str, Any]) -> tuple[int, bytes]:
    words = _WORDS.get(str(error.get("code")))
    status, message = words or (status, error["message"])
    kind = _KINDS.get(status, "api_error")
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}
    return _STATUSES.get(status, status), orjson.dumps(body)


class AnthropicCall(Call):
    """A parsed request of the Messages API."""

    def refusal(self, headers: Any, config: ServerConfig) -> str | None:
        """Return what is wrong with the call, None where nothing is."""
        return find_fault(self.body, str(headers.get("anthropic-version", "")), config)

    def answer(self, config: ServerConfig) -> "AnthropicAnswer":
        """Return the answer to the call."""
        return AnthropicAnswer.to(self, config)

    @property
    def last_user_text(self) -> str:
        """The text of the last turn in which the user says something."""
        for turn in reversed(self.body["messages"]):
            if turn["role"] == "user":
                text = "".join(block.get("text", "") for block in turn["content"] if block["type"] == "text")
                if text:
                    return text
        return ""

    def tool_calls(self, script: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the tool calls of the next step of `script`."""
        turns = [turn for turn in self.body["messages"] if turn["role"] == "assistant"]
        step = sum(any(block["type"] == "tool_use" for block in turn["content"]) for turn in turns)
        return [
            {
                "type": "tool_use",
                "id": f"toolu_{step}_{place}",
                "name": call["name"],
                "input": call.get("arguments", {}),
            }
            for place, call in enumerate(script[step] if step < len(script) else [])
        ]


class AnthropicAnswer(Answer):
    """What the server says to such a call."""

    def headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers as Anthropic sends them."""
        return told_headers(headers)

    @property
    def ending(self) -> bytes:
        """What follows the last event: nothing."""
        return b""

    def whole(self) -> bytes:
        """Return the body of a whole answer."""
        usage = {"usage": self._usage()} if self.config.usage else {}
        return orjson.dumps(self._message(self._content(), self._stop_reason()) | usage | self.config.overrides)

    def events(self, chunk_size: int) -> list[bytes]:
        """Return the events of a streamed answer."""
        usage = {"usage": {**self._usage(), "output_tokens": 1}} if self.config.usage else {}
        events = [_event("message_start", message=self._message([], None) | usage), _event("ping")]
        for index, block in enumerate(self._content()):
            events.append(_event("content_block_start", index=index, content_block=_begun(block)))
            deltas = _deltas(block, chunk_size)
            events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
            events.append(_event("content_block_stop", index=index))
        told = {"usage": self._usage()} if self.config.usage else {}
        events.append(_event("message_delta", delta={"stop_reason": self._stop_reason()}, **told))
        return [*events, _event("message_stop")]

    def event(self, choices: list[dict[str, Any]], **values: Any) -> bytes:
        """Return the event that stands for one of OpenAI's, for the faults that go on and on."""
        delta = choices[0]["delta"]
        if "content" in delta:
            return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": delta["content"]})
        call = {"type": "tool_use", "id": "toolu", "name": "now", "input": {}}
        return _event("content_block_start", index=delta["tool_calls"][0]["index"], content_block=call)

    def _content(self) -> list[dict[str, Any]]:
        thoughts = {
            "type": "thinking",
            "thinking": self.config.reasoning,
            "signature": SIGNATURE + self.config.reasoning,
        }
        said = [{"type": "text", "text": self.text}] if self.text else []
        return [*([thoughts] if self.config.reasoning else []), *said, *self.tool_calls]

    def _message(self, content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
        body = {"id": "msg_fake", "type": "message", "role": "assistant", "model": self.call.body["model"]}
        return body | {"content": content, "stop_reason": stop_reason, "stop_sequence": None}

    def _stop_reason(self) -> str:
        return {"stop": "end_turn", "tool_calls": "tool_use", "content_filter": "refusal"}[self.finish_reason]

    def _usage(self) -> dict[str, Any]:
        counts, cached = self.usage, self.config.cached_tokens
        return {
            "input_tokens": counts["prompt_tokens"] - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": counts["completion_tokens"],
            "output_tokens_details": {"thinking_tokens": self.config.reasoning_tokens},
        }


def _event(kind: str, **values: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n".encode()


def _begun(block: dict[str, Any]) -> dict[str, Any]:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {key: empty.get(key, value) for key, value in block.items()}


def _deltas(block: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        written = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(written, size))
        return
    kind = block["type"]
    yield from ({"type": f"{kind}_delta", kind: piece} for piece in _pieces(block[kind], size))
    if kind == "thinking":
        yield {"type": "signature_delta", "signature": block["signature"]}


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))
