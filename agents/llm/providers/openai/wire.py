"""Requests and answers as they stand in the JSON of chat completions.

Fields: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping
from typing import Any

from agents.llm.errors import BilledError
from agents.llm.http.messages import clean_message
from agents.llm.rate_headers import rate_limit_headers
from agents.llm.structured import with_schema_instructions
from agents.llm.tokens import estimate_usage
from agents.llm.types import Completion, CompletionRequest, ToolCall, ToolSpec, Usage
from workers.errors import ErrorCode, WorkError

from .answers import find_usage, parse_usage, read_replay, read_tool_calls, reasoning_text, tool_call_items
from .dialect import PLAIN, Dialect, Structure
from .endings import ending
from .errors import error_of_event
from .messages import wire_message
from .parameters import sent_parameters
from .strictness import is_strict


def request_body(request: CompletionRequest, dialect: Dialect = PLAIN, *, stream: bool) -> dict[str, Any]:
    """Return the body of the call; the agent's parameters cannot change what Arboretum fills in.

    Raises WorkError `invalid_request` for an image or a file that the server does not take.
    """
    model = request.model
    body = sent_parameters(dialect, model, request.parameters)
    messages = request.messages
    if request.output_schema is not None:
        structure = dialect.structure_of(request, stream=stream)
        if structure != "json_schema":
            messages = with_schema_instructions(messages, request.output_schema)
        body |= _response_format(structure, request.output_schema)
    body["model"] = model
    body["messages"] = [wire_message(message, dialect, model) for message in messages]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if stream:
        body["stream"] = True
        if dialect.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return body


def _response_format(structure: Structure, output_schema: Mapping[str, Any]) -> dict[str, Any]:
    if structure == "instructions":
        return {}
    if structure == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema = dict(output_schema)
    form = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def parse_completion(
    parsed: dict[str, Any],
    headers: Mapping[str, str],
    request: CompletionRequest,
    secret: str,
    dialect: Dialect = PLAIN,
) -> Completion:
    """Return the answer in `parsed`. Raises WorkError for an error reported in it, and where it holds no answer."""
    if parsed.get("error"):
        raise error_of_event(parsed["error"], secret)
    choice = first_choice(parsed)
    if choice and choice.get("error"):
        raise error_of_event(choice["error"], secret)
    message = choice.get("message") if choice else None
    if not isinstance(message, dict):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer holds no message")
    items = tool_call_items(message)
    return make_completion(
        text=content_text(message.get("content")),
        tool_calls=read_tool_calls(items, request) if items else (),
        finish_reason=choice.get("finish_reason") if choice else None,
        refusal=message.get("refusal"),
        reasoning=reasoning_text(message),
        replay=read_replay(message, items, dialect) if dialect.replayed or dialect.replayed_of_calls else None,
        usage=parse_usage(find_usage(parsed, dialect), dialect),
        parsed=parsed,
        headers=headers,
        request=request,
    )


def parse_models(parsed: Mapping[str, Any], dialect: Dialect) -> list[str]:
    """Return the ids in a list of models, sorted. Raises WorkError `bad_response` where it is none."""
    models = parsed.get("data")
    if not isinstance(models, list):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the list of models holds no data")
    ids = (str(model["id"]) for model in models if isinstance(model, dict) and model.get("id"))
    return sorted(name.removeprefix(dialect.model_prefix) for name in ids)


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
    reasoning: str,
    replay: Mapping[str, Any] | None,
    usage: Usage | None,
    parsed: Mapping[str, Any],
    headers: Mapping[str, str],
    request: CompletionRequest,
) -> Completion:
    """Return the whole answer; `parsed` is what says model and id. Raises BilledError where it is none."""
    used = usage or estimate_usage(request, text + reasoning, tool_calls)
    ended = ending(finish_reason, used, has_calls=bool(tool_calls))
    if refusal and not text and not tool_calls:
        raise BilledError(ErrorCode.CONTENT_POLICY, "the model refused to answer", used)
    return Completion(
        text=text,
        tool_calls=tool_calls,
        usage=used,
        finish_reason=ended,
        model=str(parsed.get("model") or request.model),
        request_id=request_id(headers, parsed),
        rate_limits=rate_limit_headers(headers),
        reasoning=reasoning,
        replay=replay,
    )


def request_id(headers: Mapping[str, str], parsed: Mapping[str, Any]) -> str:
    """Return what the provider calls this call, to be named to its support; empty where it says nothing."""
    return _printable(headers.get("x-request-id")) or _printable(parsed.get("id"))


def _printable(value: Any) -> str:
    text = str(value or "")
    return text if text.isprintable() else clean_message(text, "")


def content_text(content: Any) -> str:
    """Return the text of a message's content: a text, or parts of which those of text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
