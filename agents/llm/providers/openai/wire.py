"""Requests and answers as they stand in the JSON of chat completions.

Fields: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping
from typing import Any

import orjson

from agents.llm.errors import BilledError
from agents.llm.http.messages import clean_message
from agents.llm.rate_headers import rate_limit_headers
from agents.llm.tokens import estimate_usage
from agents.llm.types import MOST_TOKENS, Completion, CompletionRequest, Message, ToolCall, ToolSpec, Usage
from agents.schema_keywords import DATA_KEYWORDS
from workers.errors import ErrorCode, WorkError

from .errors import error_of_event


def request_body(request: CompletionRequest, *, stream: bool) -> dict[str, Any]:
    """Return the body of the call; the agent's parameters cannot change what Arboretum fills in."""
    parameters = dict(request.parameters)
    body: dict[str, Any] = {**parameters.pop("extra_body", {}), **parameters}
    body["model"] = request.model
    body["messages"] = [_message(message) for message in request.messages]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None:
        schema = dict(request.output_schema)
        form = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def is_strict(schema: Any) -> bool:
    """Tell whether the server may be asked to enforce `schema`.

    OpenAI refuses strict schemas whose objects leave fields optional or open:
    https://platform.openai.com/docs/guides/structured-outputs
    """
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        fields = properties or {}
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(fields):
            return False
        return all(map(is_strict, fields.values()))
    return all(is_strict(value) for name, value in schema.items() if name not in DATA_KEYWORDS)


def parse_completion(
    parsed: dict[str, Any], headers: Mapping[str, str], request: CompletionRequest, secret: str
) -> Completion:
    """Return the answer in `parsed`. Raises WorkError for an error reported in it, and where it holds no answer."""
    if parsed.get("error"):
        raise error_of_event(parsed["error"], secret)
    choice = first_choice(parsed)
    message = choice.get("message") if choice else None
    if not isinstance(message, dict):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds no message")
    items = message.get("tool_calls")
    calls = tuple(_tool_call(item) for item in items) if isinstance(items, list) else ()
    return make_completion(
        text=content_text(message.get("content")),
        tool_calls=calls,
        finish_reason=choice.get("finish_reason") if choice else None,
        refusal=message.get("refusal"),
        parsed=parsed,
        headers=headers,
        request=request,
    )


def first_choice(parsed: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first choice of an answer or of a stream's event; None where there is none."""
    choices = parsed.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def make_completion(
    *,
    text: str,
    tool_calls: tuple[ToolCall, ...],
    finish_reason: Any,
    refusal: Any,
    parsed: dict[str, Any],
    headers: Mapping[str, str],
    request: CompletionRequest,
) -> Completion:
    """Return the whole answer; `parsed` is what says usage, model and id. Raises BilledError where it was withheld."""
    usage = parse_usage(parsed.get("usage")) or estimate_usage(request, text, tool_calls)
    if finish_reason == "content_filter":
        raise BilledError(ErrorCode.CONTENT_POLICY, "the provider's content filter withheld the answer", usage)
    if refusal and not text and not tool_calls:
        raise BilledError(ErrorCode.CONTENT_POLICY, "the model refused to answer", usage)
    return Completion(
        text=text,
        tool_calls=tool_calls,
        usage=usage,
        finish_reason=str(finish_reason or "stop"),
        model=str(parsed.get("model") or request.model),
        request_id=request_id(headers, parsed),
        rate_limits=rate_limit_headers(headers),
    )


def request_id(headers: Mapping[str, str], parsed: Mapping[str, Any]) -> str:
    """Return what the provider calls this call, to be named to its support; empty where it says nothing."""
    return _printable(headers.get("x-request-id")) or _printable(parsed.get("id"))


def _printable(value: Any) -> str:
    text = str(value or "")
    return text if text.isprintable() else clean_message(text, "")


def parse_usage(usage: Any) -> Usage | None:
    """Return the tokens that the provider counted, at most MOST_TOKENS each; None where it says nothing usable."""
    if not isinstance(usage, dict):
        return None
    sent, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens", 0))
    if sent is None or answered is None:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        # DeepSeek's name of it: https://api-docs.deepseek.com/guides/kv_cache
        cached = _count(usage.get("prompt_cache_hit_tokens"))
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(sent, answered, min(cached or 0, sent), min(reasoning or 0, answered))


def _detail(usage: dict[str, Any], group: str, name: str) -> int | None:
    details = usage.get(group)
    return _count(details.get(name)) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    """Return `value` where it is a count of tokens, at most MOST_TOKENS; true is none."""
    return min(value, MOST_TOKENS) if type(value) is int and value >= 0 else None


def content_text(content: Any) -> str:
    """Return the text of a message's content: a text, or parts of which those of text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return wire


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _tool_call(item: Any) -> ToolCall:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds a tool call without a name")
    arguments = function.get("arguments")
    # Some servers send the arguments as an object in place of its text.
    written = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    return ToolCall(str(item.get("id") or ""), function["name"], written)
