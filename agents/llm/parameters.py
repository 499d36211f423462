"""Checks of an agent's model parameters: a table of names and rules, which providers share and extend."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from workers.errors import InvalidInput

Rule = Callable[[str, Any], None]
"""Raises InvalidInput, naming the field that it is given, when the value is not allowed."""

# What Arboretum fills in itself; an agent that set them could change where a call goes or what it means.
RESERVED_FIELDS = frozenset(
    {"model", "messages", "tools", "functions", "stream", "stream_options", "response_format", "n", "input"}
)
# The parameters that bound an answer, the one that counts first. Limits of tokens are kept by them.
ANSWER_LIMITS = ("max_completion_tokens", "max_tokens")


def refuse(field: str, allowed: str, value: Any) -> InvalidInput:
    """Return the error that says what `field` may be and, shortened, what it was."""
    shown = repr(value)
    return InvalidInput(f"{field} must be {allowed}, not {shown if len(shown) <= 80 else shown[:77] + '...'}")


def is_number(value: Any) -> bool:
    """Tell whether `value` is a finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(low: float, high: float) -> Rule:
    """Return the rule of a number from `low` to `high`."""

    def check(field: str, value: Any) -> None:
        if not is_number(value) or not low <= value <= high:
            raise refuse(field, f"a number from {low:g} to {high:g}", value)

    return check


def whole(low: int, high: int) -> Rule:
    """Return the rule of a whole number from `low` to `high`."""

    def check(field: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise refuse(field, f"a whole number from {low} to {high}", value)

    return check


def kind(expected: type, name: str) -> Rule:
    """Return the rule of a value of type `expected`, called `name` in the message."""

    def check(field: str, value: Any) -> None:
        if not isinstance(value, expected):
            raise refuse(field, name, value)

    return check


text = kind(str, "a text")
switch = kind(bool, "true or false")
mapping = kind(dict, "an object")


def json_object(field: str, value: Any) -> None:
    """Refuse what is no object, or holds numbers that JSON cannot carry: NaN, infinity, more than 64 bits."""
    mapping(field, value)
    try:
        json.dumps(value, allow_nan=False)
        orjson.dumps(value)
    except (ValueError, TypeError):
        allowed = "an object whose numbers are finite and have at most 64 bits"
        raise refuse(field, allowed, value) from None


def _stop(field: str, value: Any) -> None:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not 1 <= len(items) <= 4 or not all(isinstance(item, str) for item in items):
        raise refuse(field, "a text or a list of 1 to 4 texts", value)


def _tool_choice(field: str, value: Any) -> None:
    if not isinstance(value, dict) and value not in ("none", "auto", "required"):
        raise refuse(field, "none, auto, required or an object that names a tool", value)


def _extra_body(field: str, value: Any) -> None:
    json_object(field, value)
    taken = sorted(RESERVED_FIELDS & set(value))
    if taken:
        raise InvalidInput(f"{field}.{taken[0]} cannot be set: Arboretum fills it in")
    hidden = [name for name in ANSWER_LIMITS if name in value]
    if hidden:
        raise InvalidInput(f"{field}.{hidden[0]} cannot be set: set {hidden[0]} itself, beside extra_body")


# Names and ranges as in OpenAI's reference of chat completions; what other servers add goes into extra_body.
CHAT_PARAMETERS: Mapping[str, Rule] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "max_tokens": whole(1, 10_000_000),
    "max_completion_tokens": whole(1, 10_000_000),
    "seed": whole(-(2**63), 2**63 - 1),
    "stop": _stop,
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "logit_bias": json_object,
    "reasoning_effort": text,
    "verbosity": text,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": switch,
    "service_tier": text,
    "store": switch,
    "metadata": json_object,
    "user": text,
    "prompt_cache_key": text,
    "safety_identifier": text,
    "extra_body": _extra_body,
}


def check_fields(values: Any, rules: Mapping[str, Rule], where: str = "parameters") -> None:
    """Raise InvalidInput for the first field of `values` that no rule knows, or whose rule it breaks.

    `where` is the path of `values` in the message, e.g. `parameters`.
    """
    mapping(where, values)
    for name, value in values.items():
        rule = rules.get(name)
        if rule is None:
            raise InvalidInput(f"{where}.{name} is not a setting; allowed: {', '.join(sorted(rules))}")
        rule(f"{where}.{name}", value)


def answer_limit(parameters: Mapping[str, Any]) -> int | None:
    """Return the most tokens that the answer may have by `parameters`, None without a limit."""
    limits: list[int] = [parameters[name] for name in ANSWER_LIMITS if name in parameters]
    return limits[0] if limits else None
