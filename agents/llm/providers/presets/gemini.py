"""Gemini's OpenAI-compatible endpoint: https://ai.google.dev/gemini-api/docs/openai.

Prices: https://ai.google.dev/gemini-api/docs/pricing, as of 2025, of prompts up to 200,000 tokens; the Pro models cost
twice as much beyond.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import EFFORTS, Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "gemini-2.5-pro": priced("1.25", "10.00", "0.125", 1_048_576, 65_536),
    "gemini-2.5-flash": priced("0.30", "2.50", "0.03", 1_048_576, 65_536),
    "gemini-2.5-flash-lite": priced("0.10", "0.40", "0.01", 1_048_576, 65_536),
    "gemini-3-pro-preview": priced("2.00", "12.00", "0.20", 1_048_576, 65_536),
    "gemini-3-flash-preview": priced("0.50", "3.00", "0.05", 1_048_576, 65_536),
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
