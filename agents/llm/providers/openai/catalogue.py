"""OpenAI's models: list prices and sizes, and what its reasoning models take.

Prices and sizes: https://developers.openai.com/api/docs/pricing and the models' own pages beside it, as of November
2026. They change: `manage.py models set` overrides them, model by model.

Prices are those of ordinary prompts, without offers of a season. Where 1,050,000 tokens fit, a call with more than
272,000 tokens of input costs twice as much for its input and half as much again for its output; from GPT-5.6 on, input
that goes into the cache costs a quarter more than other input. One price cannot say either: who makes such calls sets a
higher one.
"""

from collections.abc import Mapping
from decimal import Decimal

from agents.llm.providers.base import ModelDefaults

from .dialect import EFFORTS, ModelRule


def priced(
    input_price: str,
    output_price: str,
    cached_input_price: str | None = None,
    context_window: int | None = None,
    max_output_tokens: int | None = None,
    max_concurrency: int | None = None,
) -> ModelDefaults:
    """Return the defaults of a model; prices are US dollars per 1,000,000 tokens, written out."""
    return ModelDefaults(
        input_price=Decimal(input_price),
        output_price=Decimal(output_price),
        cached_input_price=None if cached_input_price is None else Decimal(cached_input_price),
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        max_concurrency=max_concurrency,
    )


OPENAI_MODELS: Mapping[str, ModelDefaults] = {
    "gpt-6.2-astra": priced("8.00", "40.00", "0.40", 1_050_000, 128_000),
    "gpt-6.2-sol": priced("2.00", "10.00", "0.10", 1_050_000, 128_000),
    "gpt-6.1-sol": priced("2.00", "10.00", "0.10", 1_050_000, 128_000),
    "gpt-6.1-terra": priced("1.00", "5.00", "0.05", 1_050_000, 128_000),
    "gpt-6-astra": priced("10.00", "50.00", "1.00", 1_050_000, 128_000),
    "gpt-6-sol": priced("2.00", "10.00", "0.20", 1_050_000, 128_000),
    "gpt-6-luna": priced("0.10", "0.50", "0.01", 1_050_000, 128_000),
    # Another name of gpt-5.6-sol.
    "gpt-5.6": priced("5.00", "30.00", "0.50", 1_050_000, 128_000),
    "gpt-5.6-sol": priced("5.00", "30.00", "0.50", 1_050_000, 128_000),
    "gpt-5.6-terra": priced("2.00", "12.00", "0.20", 1_050_000, 128_000),
    "gpt-5.6-luna": priced("0.20", "1.20", "0.02", 1_050_000, 128_000),
    "gpt-5.5": priced("5.00", "30.00", "0.50", 1_050_000, 128_000),
    "gpt-5.4": priced("2.50", "15.00", "0.25", 1_050_000, 128_000),
    "gpt-5.4-mini": priced("0.75", "4.50", "0.075", 400_000, 128_000),
    "gpt-5.4-nano": priced("0.20", "1.25", "0.02", 400_000, 128_000),
    "gpt-5.2": priced("1.75", "14.00", "0.175", 400_000, 128_000),
    "gpt-5.1": priced("1.25", "10.00", "0.125", 400_000, 128_000),
    # These go on 11 December 2026, gpt-4.1 and gpt-4o with their small models on 14 January 2027.
    "gpt-5": priced("1.25", "10.00", "0.125", 400_000, 128_000),
    "gpt-5-mini": priced("0.25", "2.00", "0.025", 400_000, 128_000),
    "gpt-5-nano": priced("0.05", "0.40", "0.005", 400_000, 128_000),
    "o3": priced("2.00", "8.00", "0.50", 200_000, 100_000),
    "gpt-4.1": priced("2.00", "8.00", "0.50", 1_047_576, 32_768),
    "gpt-4.1-mini": priced("0.40", "1.60", "0.10", 1_047_576, 32_768),
    "gpt-4o": priced("2.50", "10.00", "1.25", 128_000, 16_384),
    "gpt-4o-mini": priced("0.15", "0.60", "0.075", 128_000, 16_384),
    "text-embedding-3-small": priced("0.02", "0", context_window=8_192),
    "text-embedding-3-large": priced("0.13", "0", context_window=8_192),
    "text-embedding-ada-002": priced("0.10", "0", context_window=8_192),
}

# https://developers.openai.com/api/docs/guides/reasoning, and the models' pages: what they answer with 400 to.
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias")
_LIMIT = "max_completion_tokens"
# `max`, which some models have beyond `xhigh`, is known to the Responses API alone.
_TO_XHIGH = (*EFFORTS, "xhigh")
_FROM_NONE = ("none", *_TO_XHIGH)

OPENAI_RULES = (
    # What has "chat" in its name does not reason.
    ModelRule(("gpt-5*-chat*",), answer_limit=_LIMIT),
    ModelRule(("gpt-5-pro*",), _LIMIT, (*_SAMPLING, "stop"), efforts=("high",)),
    ModelRule(("gpt-5", "gpt-5-*"), _LIMIT, (*_SAMPLING, "stop"), efforts=("minimal", *EFFORTS)),
    # From 5.1 to 5.4 they reason only when told to, later ones unless told not to.
    ModelRule(
        ("gpt-5.1", "gpt-5.1-*"),
        _LIMIT,
        _SAMPLING,
        refused_but_at=("none",),
        efforts=("none", *EFFORTS),
        usual_effort="none",
    ),
    ModelRule(
        ("gpt-5.[2-4]", "gpt-5.[2-4]-*"),
        _LIMIT,
        _SAMPLING,
        refused_but_at=("none",),
        efforts=_FROM_NONE,
        usual_effort="none",
    ),
    ModelRule(
        ("gpt-5.*", "gpt-6-sol*", "gpt-6-luna*", "gpt-6.1-terra*"),
        _LIMIT,
        _SAMPLING,
        refused_but_at=("none",),
        efforts=_FROM_NONE,
    ),
    # These always reason.
    ModelRule(("gpt-6-astra*", "gpt-6.1-sol*", "gpt-6.2-*"), _LIMIT, _SAMPLING, efforts=_TO_XHIGH),
    # Of models that are not known, the server itself says what it does not take.
    ModelRule(("gpt-[6-9]*",), answer_limit=_LIMIT),
    ModelRule(
        ("o1", "o1-*", "o3", "o3-*", "o4-*"), _LIMIT, (*_SAMPLING, "stop", "parallel_tool_calls"), efforts=EFFORTS
    ),
)
