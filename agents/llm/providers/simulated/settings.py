"""The parameter `simulated` of an agent, checked and ready to use (the package's docstring lists the fields)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.llm.parameters import Rule, check_fields, mapping, number, refuse, whole
from workers.errors import ErrorCategory, ErrorCode, InvalidInput

from .distributions import Distribution, lognormal, parse_distribution
from .script import Script, parse_script

REPLIES = ("text", "echo", "invalid")
MAX_SECONDS = 86_400.0
MAX_OUTPUT_TOKENS = 1_000_000
DEFAULT_LATENCY = lognormal(0.8, 0.35)
DEFAULT_OUTPUT_TOKENS = lognormal(60, 0.4)
WHERE = "parameters.simulated"

# What a provider can answer; limits, schema mismatches and our own verdicts are the runner's to find.
ERROR_CODES = tuple(
    code
    for code in ErrorCode
    if code.category is not ErrorCategory.SYSTEM and not code.startswith(("limit_", "schema_"))
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a simulated model behaves. Times are in seconds."""

    seed: int = 0
    latency: Distribution = DEFAULT_LATENCY
    first_token: Distribution | None = None
    tokens_per_second: float | None = None
    output_tokens: Distribution = DEFAULT_OUTPUT_TOKENS
    errors: tuple[tuple[ErrorCode, float], ...] = ()
    retry_after: float | None = None
    reply: str = "text"
    mismatch: float = 0.0
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tool_calls: Script = ()

    @classmethod
    def parse(cls, values: Any) -> "Settings":
        """Return the settings that `values`, an object, describe. Raises InvalidInput."""
        check_fields(values, _RULES, WHERE)
        return cls(**{name: parsed for key, value in values.items() for name, parsed in _parsed(key, value).items()})


def _parsed(name: str, value: Any) -> dict[str, Any]:
    where = f"{WHERE}.{name}"
    match name:
        case "latency" | "first_token":
            return {name: parse_distribution(where, value, MAX_SECONDS)}
        case "output_tokens":
            return {name: parse_distribution(where, value, MAX_OUTPUT_TOKENS)}
        case "errors":
            return _parse_errors(where, value)
        case "keywords":
            return {name: {option: tuple(words) for option, words in value.items()}}
        case "tool_calls":
            return {name: parse_script(where, value)}
    return {name: value}


def _parse_errors(where: str, values: dict[str, Any]) -> dict[str, Any]:
    rules: dict[str, Rule] = {str(code): number(0, 1) for code in ERROR_CODES}
    check_fields(values, rules | {"retry_after": number(0, MAX_SECONDS)}, where)
    chances = tuple((ErrorCode(name), float(value)) for name, value in values.items() if name != "retry_after")
    if math.fsum(chance for _, chance in chances) > 1:
        raise InvalidInput(f"{where} must not add up to more than 1")
    return {"errors": chances, "retry_after": values.get("retry_after")}


def _reply(field: str, value: Any) -> None:
    if value not in REPLIES:
        raise refuse(field, f"one of: {', '.join(REPLIES)}", value)


def _keywords(field: str, value: Any) -> None:
    mapping(field, value)
    for option, words in value.items():
        if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
            raise refuse(f"{field}.{option}", "a list of words", words)


def _parsed_later(field: str, value: Any) -> None:
    """Accept: `parse` checks this field as it reads it."""


_RULES: Mapping[str, Rule] = {
    "seed": whole(-(2**63), 2**63 - 1),
    "latency": _parsed_later,
    "first_token": _parsed_later,
    "tokens_per_second": number(0.001, 1_000_000),
    "output_tokens": _parsed_later,
    "errors": mapping,
    "reply": _reply,
    "mismatch": number(0, 1),
    "keywords": _keywords,
    "tool_calls": _parsed_later,
}


def check_simulated(field: str, value: Any) -> None:
    """Raise InvalidInput when `value` is not a valid `simulated` parameter."""
    Settings.parse(value)
