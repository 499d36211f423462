"""An agent's parameters under the names that all providers share, as the Messages API wants them."""

from collections.abc import Mapping
from typing import Any

from agents.llm.parameters import (
    CHAT_PARAMETERS,
    Rule,
    answer_limit,
    check_fields,
    mapping,
    number,
    refuse,
    text,
    whole,
)
from workers.errors import InvalidInput

from .models import MODELS, abilities

# The API demands a limit. The SDK refuses to wait for more than 21,333 tokens in one piece, since that may take more
# than ten minutes; thinking counts towards it.
DEFAULT_ANSWER_TOKENS = 16_384
_UNKNOWN_MODEL_TOKENS = 8_192
# For models that think by a budget of tokens. The API's least is 1,024; the most, with the answer, is below 21,333.
_BUDGETS = {"low": 1_024, "medium": 2_048, "high": 4_096}
_LEAST_BUDGET = 1_024
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING_TYPES = ("adaptive", "between_tools", "disabled", "enabled")
_NOT_THINKING = ("disabled", "between_tools")
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_CHOICES = {"none": "none", "auto": "auto", "required": "any"}
# extra_body could change what Arboretum or another parameter fills in.
_FILLED_IN = frozenset({"system", "output_config", "stop_sequences", "thinking", "tool_choice", *_SAMPLING})


def _one_of(*allowed: str) -> Rule:
    def check(field: str, value: Any) -> None:
        if value not in allowed:
            raise refuse(field, f"one of {', '.join(allowed)}", value)

    return check


def _thinking(field: str, value: Any) -> None:
    mapping(field, value)
    rules = {
        "type": _one_of(*_THINKING_TYPES),
        "budget_tokens": whole(_LEAST_BUDGET, 1_000_000),
        "display": _one_of("omitted", "summarized"),
    }
    check_fields(value, rules, field)
    if "type" not in value or ("budget_tokens" in value) != (value["type"] == "enabled"):
        raise InvalidInput(f"{field} needs a type, and budget_tokens with type enabled alone")


def _tool_choice(field: str, value: Any) -> None:
    CHAT_PARAMETERS["tool_choice"](field, value)
    if isinstance(value, dict) and not isinstance(_tool_name(value), str):
        raise refuse(field, 'none, auto, required or {"type": "function", "function": {"name": ...}}', value)


def _extra_body(field: str, value: Any) -> None:
    CHAT_PARAMETERS["extra_body"](field, value)
    taken = sorted(_FILLED_IN & set(value))
    if taken:
        raise InvalidInput(f"{field}.{taken[0]} cannot be set: the parameters beside extra_body say it")


RULES: Mapping[str, Rule] = {
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": whole(1, 1_000_000),
    "max_tokens": CHAT_PARAMETERS["max_tokens"],
    "max_completion_tokens": CHAT_PARAMETERS["max_completion_tokens"],
    "stop": CHAT_PARAMETERS["stop"],
    "user": text,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": CHAT_PARAMETERS["parallel_tool_calls"],
    "reasoning_effort": _one_of(*_EFFORTS),
    "thinking": _thinking,
    "service_tier": _one_of(*_TIERS),
    "extra_body": _extra_body,
}


def check(model: str, parameters: Mapping[str, Any]) -> None:
    """Raise InvalidInput naming the first parameter that is wrong or that `model` does not take."""
    for name in parameters:
        if name in CHAT_PARAMETERS and name not in RULES:
            allowed = ", ".join(sorted(RULES))
            raise InvalidInput(f"parameters.{name} cannot be set: Anthropic has nothing like it; allowed: {allowed}")
    check_fields(dict(parameters), RULES)
    _check_thinking(model, parameters)
    _check_sampling(model, parameters)
    choice = parameters.get("tool_choice", "auto")
    if choice not in ("none", "auto") and not abilities(model).can_be_forced:
        raise InvalidInput(f"parameters.tool_choice must be none or auto: {model[:100]} refuses to be told to call")


def _check_sampling(model: str, parameters: Mapping[str, Any]) -> None:
    set_ones = [name for name in _SAMPLING if name in parameters]
    if set_ones and not abilities(model).samples:
        raise InvalidInput(f"parameters.{set_ones[0]} cannot be set: {model[:100]} does not take it")
    thinks = _thinking_of(model, parameters)
    if set_ones and thinks is not None and thinks["type"] not in _NOT_THINKING:
        raise InvalidInput(f"parameters.{set_ones[0]} cannot be set for an answer that the model thinks about")


def _check_thinking(model: str, parameters: Mapping[str, Any]) -> None:
    able = abilities(model)
    effort = parameters.get("reasoning_effort", "none")
    levels = (*able.efforts, "minimal") if able.efforts else (*_BUDGETS, "minimal")
    if effort != "none" and effort not in levels:
        raise refuse("parameters.reasoning_effort", f"one of {', '.join(('none', *levels))} for {model[:100]}", effort)
    thinking = _thinking_of(model, parameters)
    if thinking is not None and thinking["type"] not in able.thinks:
        name = "thinking" if "thinking" in parameters else "reasoning_effort"
        raise InvalidInput(
            f"parameters.{name} cannot be set to {thinking['type']}: {model[:100]} takes {', '.join(able.thinks)}"
        )
    limit = answer_limit(parameters)
    budget = _budget(thinking)
    if limit is not None and budget >= limit:
        raise InvalidInput(f"parameters.max_tokens must be more than the {budget} tokens of thinking in it")


def uses_sampling(parameters: Mapping[str, Any]) -> bool:
    """Tell whether `parameters` hold one that says how the next token is drawn."""
    return any(name in parameters for name in _SAMPLING)


def body_fields(model: str, parameters: Mapping[str, Any], *, has_tools: bool) -> dict[str, Any]:
    """Return `parameters` as fields of a request's body; `max_tokens` is always among them."""
    thinking = _thinking_of(model, parameters)
    fields: dict[str, Any] = {**parameters.get("extra_body", {})}
    fields["max_tokens"] = answer_limit(parameters) or _default_limit(model, thinking)
    fields |= {name: parameters[name] for name in _SAMPLING if name in parameters}
    if thinking is not None:
        fields["thinking"] = thinking
    effort = _effort_of(model, parameters)
    if effort is not None:
        fields["output_config"] = {"effort": effort}
    if "stop" in parameters:
        stop = parameters["stop"]
        fields["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if "user" in parameters:
        fields["metadata"] = {"user_id": parameters["user"]}
    if "service_tier" in parameters:
        fields["service_tier"] = _TIERS[parameters["service_tier"]]
    choice = _choice(parameters) if has_tools else None
    return fields if choice is None else {**fields, "tool_choice": choice}


def _thinking_of(model: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the setting of `thinking`; None leaves it to the model. What it thinks is asked for where it is wanted."""
    if "thinking" in parameters:
        return dict(parameters["thinking"])
    effort = parameters.get("reasoning_effort")
    if effort is None:
        return None
    thinks = abilities(model).thinks
    if effort == "none":
        return {"type": "between_tools" if "between_tools" in thinks else "disabled"}
    if "adaptive" in thinks:
        return {"type": "adaptive", "display": "summarized"}
    return {"type": "enabled", "budget_tokens": _BUDGETS.get(effort, _LEAST_BUDGET)}


def _effort_of(model: str, parameters: Mapping[str, Any]) -> str | None:
    effort = parameters.get("reasoning_effort", "none")
    if effort == "none" or not abilities(model).efforts:
        return None
    return "low" if effort == "minimal" else str(effort)


def _budget(thinking: Mapping[str, Any] | None) -> int:
    return int((thinking or {}).get("budget_tokens", 0))


def _default_limit(model: str, thinking: Mapping[str, Any] | None) -> int:
    wanted = DEFAULT_ANSWER_TOKENS + _budget(thinking)
    known = MODELS.get(model)
    most = known.max_output_tokens if known is not None else _UNKNOWN_MODEL_TOKENS + _budget(thinking)
    return wanted if most is None else min(wanted, most)


def _choice(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the choice of tools; None where it is the API's own default."""
    asked = parameters.get("tool_choice", "auto")
    choice = {"type": "tool", "name": _tool_name(asked)} if isinstance(asked, dict) else {"type": _CHOICES[asked]}
    one_at_a_time = parameters.get("parallel_tool_calls") is False and choice["type"] != "none"
    if choice == {"type": "auto"} and not one_at_a_time:
        return None
    return {**choice, "disable_parallel_tool_use": True} if one_at_a_time else choice


def _tool_name(choice: Mapping[str, Any]) -> Any:
    function = choice.get("function")
    return function.get("name") if isinstance(function, dict) else choice.get("name")
