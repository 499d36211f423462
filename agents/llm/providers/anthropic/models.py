"""Claude models: list prices and sizes, and what each generation can and cannot do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from agents.llm.providers.base import ModelDefaults


def _model(
    input_price: str, output_price: str, cached_price: str, context_window: int, max_output_tokens: int
) -> ModelDefaults:
    return ModelDefaults(
        input_price=Decimal(input_price),
        output_price=Decimal(output_price),
        cached_input_price=Decimal(cached_price),
        context_window=context_window,
        max_output_tokens=max_output_tokens,
    )


_MILLION = 1_000_000
_OPUS = _model("5.00", "25.00", "0.50", _MILLION, 128_000)
_OPUS_4_5 = _model("5.00", "25.00", "0.50", 200_000, 64_000)
_SONNET_4_5 = _model("3.00", "15.00", "0.30", 200_000, 64_000)
_HAIKU_4_5 = _model("1.00", "5.00", "0.10", 200_000, 64_000)
# Anthropic's price list and model cards as of November 2026 (https://platform.claude.com/docs/en/about-claude/pricing).
# They change: `manage.py models set` overrides them, model by model. claude-haiku-5-5 costs five times as much for
# prompts of more than 100,000 tokens, which one price cannot say: who sends such prompts sets the higher one.
MODELS: Mapping[str, ModelDefaults] = {
    "claude-fable-5-1": _model("10.00", "50.00", "0.25", _MILLION, 128_000),
    "claude-fable-5": _model("10.00", "50.00", "1.00", _MILLION, 128_000),
    "claude-opus-5-5": _model("4.00", "20.00", "0.20", _MILLION, 128_000),
    "claude-opus-5": _OPUS,
    "claude-opus-4-8": _OPUS,
    "claude-opus-4-7": _OPUS,
    "claude-opus-4-6": _OPUS,
    "claude-opus-4-5": _OPUS_4_5,
    "claude-opus-4-5-20251101": _OPUS_4_5,
    "claude-sonnet-5-5": _model("2.00", "10.00", "0.10", _MILLION, 128_000),
    "claude-sonnet-5": _model("2.00", "10.00", "0.20", _MILLION, 128_000),
    "claude-sonnet-4-6": _model("3.00", "15.00", "0.30", _MILLION, 64_000),
    "claude-sonnet-4-5": _SONNET_4_5,
    "claude-sonnet-4-5-20250929": _SONNET_4_5,
    "claude-haiku-5-5": _model("0.10", "0.50", "0.01", _MILLION, 128_000),
    "claude-haiku-4-5": _HAIKU_4_5,
    "claude-haiku-4-5-20251001": _HAIKU_4_5,
}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes.

    `samples`: temperature, top_p and top_k. `efforts`: the values of output_config.effort, none without it. `thinks`:
    the types of `thinking`. `can_be_forced`: a tool choice that demands a call. `has_schemas`: output_config.format.
    """

    samples: bool
    efforts: tuple[str, ...]
    thinks: tuple[str, ...]
    can_be_forced: bool
    has_schemas: bool


# What the API had first: models that are not Claude's, behind servers that copy it, have at most this.
_UNKNOWN = Abilities(True, (), ("enabled", "disabled"), can_be_forced=True, has_schemas=False)
# From these versions on a family refuses a tool choice that demands a call.
_NEVER_FORCED_FROM = {"fable": (5, 1), "mythos": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)", re.ASCII)


def abilities(model: str) -> Abilities:
    """Return what `model` can do, by the family and version in its name.

    From the pages on migration, thinking, effort and structured outputs below
    https://platform.claude.com/docs/en/build-with-claude as of November 2026. A later version is taken to be like the
    newest known one of its family.
    """
    found = _NAME.search(model[:100])
    if found is None:
        return _UNKNOWN
    family, version = found[1], (int(found[2]), int(found[3] or 0))
    return Abilities(
        samples=version < (4, 7),
        efforts=_efforts(family, version),
        thinks=_thinks(family, version),
        can_be_forced=version < _NEVER_FORCED_FROM.get(family, (version[0] + 1, 0)),
        has_schemas=version >= (4, 5),
    )


def _efforts(family: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version >= (4, 7):
        return ("low", "medium", "high", "xhigh", "max")
    if version >= (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if (family, version) == ("opus", (4, 5)) else ()


def _thinks(family: str, version: tuple[int, int]) -> tuple[str, ...]:
    if version < (4, 6):
        return ("enabled", "disabled")
    if version < (4, 7):
        return ("adaptive", "enabled", "disabled")
    if _is_always_thinking(family, version):
        return ("adaptive",)
    return ("adaptive", "between_tools") if family == "sonnet" and version >= (5, 5) else ("adaptive", "disabled")


def _is_always_thinking(family: str, version: tuple[int, int]) -> bool:
    return family in ("fable", "mythos") or (family == "opus" and version >= (5, 5))
