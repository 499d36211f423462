"""Gemini's OpenAI-compatible endpoint: https://ai.google.dev/gemini-api/docs/openai.

Prices: https://ai.google.dev/gemini-api/docs/pricing, as of November 2026, of prompts up to 200,000 tokens; beyond, the
Pro models cost twice as much for input and half as much again for output. What a cache costs an hour is not counted.
3.6, 3.7 and 3.8 Flash cost half of this until the end of 2026. They change: `manage.py models set` overrides them.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import EFFORTS, Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "gemini-3.8-flash": priced("1.50", "7.50", "0.15", 1_048_576, 65_536),
    "gemini-3.7-flash": priced("1.50", "7.50", "0.15", 1_048_576, 65_536),
    "gemini-3.6-flash": priced("1.50", "7.50", "0.15", 1_048_576, 65_536),
    "gemini-3.5-flash-lite": priced("0.30", "2.50", None, 1_048_576, 65_536),
    "gemini-3.1-pro-preview": priced("2.00", "12.00", "0.20", 1_048_576, 65_536),
    "gemini-3.1-flash-lite": priced("0.25", "1.50", "0.025", 1_048_576, 65_536),
    "gemini-3-flash-preview": priced("0.50", "3.00", "0.05", 1_048_576, 65_536),
    # From 1 December 2026 on, 3.8 Flash and 3.5 Flash-Lite answer under the first two names, at their own prices.
    "gemini-2.5-pro": priced("1.25", "10.00", "0.125", 1_048_576, 65_536),
    "gemini-2.5-flash": priced("0.30", "2.50", "0.03", 1_048_576, 65_536),
    "gemini-2.5-flash-lite": priced("0.10", "0.40", "0.01", 1_048_576, 65_536),
    "gemini-embedding-2": priced("0.20", "0", None, 8_192),
    "gemini-embedding-001": priced("0.15", "0", None, 2_048),
}

_EFFORTS = ("none", "minimal", *EFFORTS)
# https://ai.google.dev/gemini-api/docs/thought-signatures#faqs: for calls that another model of a pool has made.
_UNSIGNED = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}

PROVIDER: ProviderType = CompatibleType(
    name="gemini",
    default_base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    models=_MODELS,
    dialect=Dialect(
        provider="gemini",
        rules=(
            ModelRule(("gemini-3.[78]*", "gemini-3*-pro*"), efforts=EFFORTS, unsigned_call=_UNSIGNED),
            ModelRule(("gemini-3*",), efforts=_EFFORTS, unsigned_call=_UNSIGNED),
            ModelRule(("gemini-*",), efforts=_EFFORTS),
        ),
        answer_limit="max_tokens",
        # total_tokens holds the thoughts, completion_tokens does not; they cost what other output does.
        thoughts_beside_output=True,
        # Its 2.5 models refuse JSON answers in a call with tools.
        schema_with_tools=False,
        schema_of_any_value=True,
        dropped=OPENAI_ONLY | {"user", "parallel_tool_calls"},
        refused=NO_LOGIT_BIAS,
        organisation_header="",
        # https://ai.google.dev/gemini-api/docs/thought-signatures: a tool call without its signature is a 400.
        replayed_of_calls=("extra_content",),
        images="data",
        files="none",
        model_prefix="models/",
    ),
)
