"""OpenAI's models: list prices and sizes, and what its reasoning models take.

Prices and sizes: https://platform.openai.com/docs/pricing and the models' own pages, as they stood in June 2026; older
models as they stood in 2025. They change: `manage.py models set` overrides them, model by model.
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
    "gpt-4o": priced("2.50", "10.00", "1.25", 128_000, 16_384),
    "gpt-4o-mini": priced("0.15", "0.60", "0.075", 128_000, 16_384),
    "gpt-4.1": priced("2.00", "8.00", "0.50", 1_047_576, 32_768),
    "gpt-4.1-mini": priced("0.40", "1.60", "0.10", 1_047_576, 32_768),
    "gpt-4.1-nano": priced("0.10", "0.40", "0.025", 1_047_576, 32_768),
    "gpt-5": priced("1.25", "10.00", "0.125", 400_000, 128_000),
    "gpt-5-mini": priced("0.25", "2.00", "0.025", 400_000, 128_000),
    "gpt-5-nano": priced("0.05", "0.40", "0.005", 400_000, 128_000),
    "gpt-5.1": priced("1.25", "10.00", "0.125", 400_000, 128_000),
    "gpt-5.2": priced("1.75", "14.00", "0.175", 400_000, 128_000),
    "gpt-5.4": priced("2.50", "15.00", "0.25", 1_050_000, 128_000),
    "gpt-5.4-mini": priced("0.75", "4.50", "0.075", 400_000, 128_000),
    "gpt-5.4-nano": priced("0.20", "1.25", "0.02", 400_000, 128_000),
    "gpt-5.5": priced("5.00", "30.00", "0.50", 1_050_000, 128_000),
    "o1": priced("15.00", "60.00", "7.50", 200_000, 100_000),
    "o3": priced("2.00", "8.00", "0.50", 200_000, 100_000),
    "o3-mini": priced("1.10", "4.40", "0.55", 200_000, 100_000),
    "o4-mini": priced("1.10", "4.40", "0.275", 200_000, 100_000),
    "text-embedding-3-small": priced("0.02", "0", context_window=8_192),
    "text-embedding-3-large": priced("0.13", "0", context_window=8_192),
    "text-embedding-ada-002": priced("0.10", "0", context_window=8_192),
}

# https://platform.openai.com/docs/guides/reasoning and .../latest-model: what reasoning models answer with 400 to.
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias")
_LIMIT = "max_completion_tokens"

OPENAI_RULES = (
    # What has "chat" in its name does not reason.
    ModelRule(("gpt-5*-chat*",), answer_limit=_LIMIT),
    ModelRule(("gpt-5-pro*",), _LIMIT, _SAMPLING, efforts=("high",)),
    ModelRule(("gpt-5", "gpt-5-*"), _LIMIT, _SAMPLING, efforts=("minimal", *EFFORTS)),
    # From 5.1 on they reason only when told to.
    ModelRule(
        ("gpt-5.1", "gpt-5.1-*"),
        _LIMIT,
        _SAMPLING,
        refused_but_at=("none",),
        efforts=("none", *EFFORTS),
        usual_effort="none",
    ),
    ModelRule(
        ("gpt-5.*",),
        _LIMIT,
        _SAMPLING,
        refused_but_at=("none",),
        efforts=("none", *EFFORTS, "xhigh"),
        usual_effort="none",
    ),
    ModelRule(("o1", "o1-*", "o3", "o3-*", "o4-*"), _LIMIT, (*_SAMPLING, "parallel_tool_calls"), efforts=EFFORTS),
)
