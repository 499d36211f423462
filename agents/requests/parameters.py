"""The settings of a request beside its messages: which of them reach the model, and which nobody here can fulfil."""

from collections.abc import Mapping
from typing import Any

from agents.llm.parameters import ANSWER_LIMITS
from agents.spec import AgentSpec
from workers.errors import InvalidInput

# What a body says beside the model's settings. Completions are stored here in any case, with their metadata.
STRUCTURE = frozenset(
    {
        "messages",
        "metadata",
        "model",
        "prompt_cache_options",
        "prompt_cache_retention",
        "response_format",
        "store",
        "stream",
        "stream_options",
        "tools",
    }
)
# What programs send without meaning anything by it.
_NEUTRAL: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
}
_UNFULFILLED = {
    "audio": "answers are text",
    "function_call": "use tool_choice",
    "functions": "use tools",
    "logprobs": "no probabilities are kept",
    "modalities": 'answers are text, ["text"]',
    "moderation": "there is none",
    "n": "it must be 1: send the request again for another answer",
    "prediction": "there is nothing like it",
    "top_logprobs": "no probabilities are kept",
    "web_search_options": "give an agent the ability and call that",
}
# What a caller may say of an agent's answer where its version leaves it open.
_OPEN = frozenset(
    {
        *ANSWER_LIMITS,
        "frequency_penalty",
        "logit_bias",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "user",
        "verbosity",
    }
)


def plain_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a body for a plain model."""
    given = {name: value for name, value in body.items() if name not in STRUCTURE and value is not None}
    return {name: value for name, value in given.items() if not is_neutral(name, value)}


def check_fulfilled(body: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a setting that nobody here can fulfil, unless it says what holds without it."""
    for name, reason in _UNFULFILLED.items():
        value = body.get(name)
        if value is not None and not is_neutral(name, value):
            raise InvalidInput(f"{name} is not supported: {reason}")


def open_parameters(spec: AgentSpec, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of a body that the agent's version leaves open: what it fixes stays."""
    fixed = set(spec.parameters)
    if not fixed.isdisjoint(ANSWER_LIMITS):
        fixed.update(ANSWER_LIMITS)
    found = {name: body[name] for name in _OPEN.intersection(body) - fixed if body[name] is not None}
    return {name: value for name, value in found.items() if not is_neutral(name, value)}


def is_neutral(name: str, value: Any) -> bool:
    """Tell whether `value` is what `name` has without being given."""
    return name in _NEUTRAL and value == _NEUTRAL[name] and isinstance(value, bool) is isinstance(_NEUTRAL[name], bool)
