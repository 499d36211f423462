"""The parameters of a request beside its input: what a chat calls them, and which of them nobody can fulfil.

https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput

# A chat has them under the same names.
_SAME = (
    "parallel_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_p",
    "user",
)
_RENAMED = {"max_output_tokens": "max_completion_tokens"}
_READ_ELSEWHERE = frozenset(
    {
        "background",
        "include",
        "input",
        "instructions",
        "metadata",
        "model",
        "previous_response_id",
        "reasoning",
        "store",
        "stream",
        "text",
        "tool_choice",
        "tools",
    }
)
# Without them the answer is the same: nothing here is cut from a conversation, or obfuscated; no tool is built in.
_HARMLESS = frozenset(
    {"max_tool_calls", "prompt_cache_options", "prompt_cache_retention", "stream_options", "truncation"}
)
_UNFULFILLED = {
    "access_programs": "there are none",
    "background_options": "a run in the background starts at once",
    "context_management": "nothing is cut from a conversation",
    "conversation": "use previous_response_id",
    "image": "images are passed on as they are",
    "moderation": "there is none",
    "prompt": "make an agent of it, and name that as the model",
    "top_logprobs": "no probabilities are kept",
}
_SWITCHES = ("background", "parallel_tool_calls", "store", "stream")
_OBJECTS = ("text", "reasoning", "metadata")
_REASONING = frozenset({"effort", "summary", "generate_summary"})
_LOGPROBS = "message.output_text.logprobs"
# https://platform.openai.com/docs/api-reference/responses/create#responses-create-metadata
MOST_METADATA = 16
LONGEST_KEY = 64
LONGEST_VALUE = 512


def chat_parameters(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the chat that stands for `request`, which has no nulls.

    Raises InvalidInput, which begins with the parameter that is wrong, is not known, or cannot be fulfilled here.
    """
    _check(request)
    found = {name: request[name] for name in _SAME if name in request}
    found |= {other: request[name] for name, other in _RENAMED.items() if name in request}
    effort, text = request.get("reasoning", {}).get("effort"), request.get("text", {})
    if effort is not None:
        found["reasoning_effort"] = effort
    if text.get("verbosity") is not None:
        found["verbosity"] = text["verbosity"]
    if text.get("format") is not None:
        found["response_format"] = _response_format(text["format"])
    return found


def _check(request: Mapping[str, Any]) -> None:
    for name, reason in _UNFULFILLED.items():
        if request.get(name):
            raise InvalidInput(f"{name} is not supported: {reason}")
    for name in _SWITCHES:
        if not isinstance(request.get(name, False), bool):
            raise InvalidInput(f"{name} must be true or false")
    for name in _OBJECTS:
        if not isinstance(request.get(name, {}), dict):
            raise InvalidInput(f"{name} must be an object")
    known = {*_SAME, *_RENAMED, *_READ_ELSEWHERE, *_HARMLESS, *_UNFULFILLED}
    unknown = next((name for name in request if name not in known), None)
    if unknown is not None:
        raise InvalidInput(f"{unknown[:100]} is not a parameter of a response; allowed: {', '.join(sorted(known))}")
    _check_parts(request)


def _check_parts(request: Mapping[str, Any]) -> None:
    for name, allowed in (("reasoning", _REASONING), ("text", frozenset({"format", "verbosity"}))):
        unknown = next((key for key, value in request.get(name, {}).items() if key not in allowed and value), None)
        if unknown is not None:
            raise InvalidInput(f"{name}.{unknown[:100]} is not supported; allowed: {', '.join(sorted(allowed))}")
    include = request.get("include", [])
    if not isinstance(include, list):
        raise InvalidInput("include must be a list of texts")
    if _LOGPROBS in include:
        raise InvalidInput(f"include must not hold {_LOGPROBS}: no probabilities are kept")
    if request.get("background") and request.get("store") is False:
        raise InvalidInput("background must not be true where store is false: nobody could ask for the response")
    check_metadata(request.get("metadata", {}))


def check_metadata(values: Mapping[str, Any]) -> None:
    """Raise InvalidInput where `metadata` has more pairs, or longer ones, than may be."""
    if len(values) > MOST_METADATA:
        raise InvalidInput(f"metadata must have at most {MOST_METADATA} pairs, not {len(values)}")
    for key, value in values.items():
        if len(key) > LONGEST_KEY or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            allowed = f"keys of at most {LONGEST_KEY} characters and texts of at most {LONGEST_VALUE}"
            raise InvalidInput(f"metadata must have {allowed}; the pair {key[:LONGEST_KEY]!r} has not")


def _response_format(value: Any) -> dict[str, Any]:
    """Return the form of an answer as a chat asks for it: what lies flat here is nested there."""
    match value:
        case {"type": "json_schema", "schema": dict() as schema, **more}:
            return {"type": "json_schema", "json_schema": {**more, "schema": schema}}
        case {"type": "json_schema"}:
            raise InvalidInput("text.format.schema must be a JSON schema, which is an object")
        case {"type": "text" | "json_object" as kind}:
            return {"type": kind}
    raise InvalidInput("text.format.type must be one of: text, json_object, json_schema")
