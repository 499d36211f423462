"""OpenRouter, many vendors' models under `vendor/model`: https://openrouter.ai/docs/api-reference/overview.

Prices are the vendors' own as OpenRouter passes them on (https://openrouter.ai/models), as of November 2026; a call may
be routed to a dearer host. They are those of ordinary prompts, without offers of a season: long prompts cost more where
they do at the vendor, and so does input that goes into a cache.
"""

from dataclasses import replace

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import OPENAI_ONLY

# https://openrouter.ai/docs/api-reference/limits: models whose names end so cost nothing and allow 20 calls a minute.
_FREE = replace(priced("0", "0"), requests_per_minute=20)

_MODELS = {
    "openai/gpt-6.1-terra": priced("1.00", "5.00", "0.05", 1_050_000, 128_000),
    "openai/gpt-6-astra": priced("10.00", "50.00", "1.00", 1_050_000, 128_000),
    "openai/gpt-5.6-terra": priced("2.00", "12.00", "0.20", 1_050_000, 128_000),
    "openai/gpt-5.5": priced("5.00", "30.00", "0.50", 1_050_000, 128_000),
    "openai/gpt-5.4": priced("2.50", "15.00", "0.25", 1_050_000, 128_000),
    "openai/gpt-5.4-mini": priced("0.75", "4.50", "0.075", 400_000, 128_000),
    "openai/gpt-5.4-nano": priced("0.20", "1.25", "0.02", 400_000, 128_000),
    # OpenAI ends these four in December 2026 and January 2027, Google its two of 2.5 in December.
    "openai/gpt-5": priced("1.25", "10.00", "0.125", 400_000, 128_000),
    "openai/gpt-5-mini": priced("0.25", "2.00", "0.025", 400_000, 128_000),
    "openai/gpt-4o": priced("2.50", "10.00", "1.25", 128_000, 16_384),
    "openai/gpt-4o-mini": priced("0.15", "0.60", "0.075", 128_000, 16_384),
    "google/gemini-2.5-pro": priced("1.25", "10.00", "0.125", 1_048_576, 65_536),
    "google/gemini-2.5-flash": priced("0.30", "2.50", "0.03", 1_048_576, 65_536),
    "google/gemini-3.8-flash": priced("1.50", "7.50", "0.15", 1_048_576, 65_536),
    "google/gemini-3.7-flash": priced("1.50", "7.50", "0.15", 1_048_576, 65_536),
    "google/gemini-3.1-pro-preview": priced("2.00", "12.00", "0.20", 1_048_576, 65_536),
    "google/gemini-3.1-flash-lite": priced("0.25", "1.50", "0.025", 1_048_576, 65_536),
    "google/gemini-3-flash-preview": priced("0.50", "3.00", "0.05", 1_048_576, 65_536),
    "anthropic/claude-sonnet-5.5": priced("2.00", "10.00", "0.10", 1_000_000, 128_000),
    "anthropic/claude-sonnet-4.5": priced("3.00", "15.00", "0.30", 1_000_000, 64_000),
    "anthropic/claude-haiku-4.5": priced("1.00", "5.00", "0.10", 200_000, 64_000),
    "mistralai/mistral-medium-3-5": priced("1.50", "7.50", None, 262_144),
    "mistralai/mistral-small-2603": priced("0.15", "0.60", None, 262_144),
}

PROVIDER: ProviderType = CompatibleType(
    name="openrouter",
    default_base_url="https://openrouter.ai/api/v1",
    models=_MODELS,
    usual_by_name=(("*:free", _FREE),),
    dialect=Dialect(
        provider="openrouter",
        # https://openrouter.ai/docs/features/structured-outputs: a model without them fails the call. These have them.
        rules=(ModelRule(("openai/*", "google/gemini-*", "mistralai/*", "x-ai/*"), structure="json_schema"),),
        structure="instructions",
        answer_limit="max_tokens",
        renamed={"reasoning_effort": "reasoning.effort"},
        dropped=OPENAI_ONLY,
        organisation_header="",
        headers={"X-Title": "Arboretum"},
        replayed=("reasoning_details",),
        files="any",
        # The list of models needs no key, so that it says nothing of one.
        key_path="/key",
    ),
)
