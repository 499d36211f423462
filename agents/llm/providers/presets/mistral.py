"""Mistral: https://docs.mistral.ai/api.

Prices: https://docs.mistral.ai/inference/pricing, as of November 2026. Names that end in `-latest` move on to other
models, so they have none.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "mistral-large-4": priced("1.36", "4.18", "0.14"),
    "mistral-large-4-0": priced("1.36", "4.18", "0.14"),
    "mistral-large-2512": priced("0.50", "1.50", None, 262_144),
    "mistral-medium-3-5": priced("1.50", "7.50", None, 262_144),
    "mistral-medium-3.5": priced("1.50", "7.50", None, 262_144),
    "mistral-medium-2604": priced("1.50", "7.50", None, 262_144),
    "mistral-small-2603": priced("0.15", "0.60", "0.015", 256_000),
    "ministral-14b-2512": priced("0.20", "0.20", None, 262_144),
    "ministral-8b-2512": priced("0.15", "0.15", "0.015", 262_144),
    "ministral-3b-2512": priced("0.10", "0.10", None, 262_144),
    "codestral-2508": priced("0.30", "0.90", "0.03", 128_000),
    "mistral-embed": priced("0.10", "0", None, 8_192),
}

PROVIDER: ProviderType = CompatibleType(
    name="mistral",
    default_base_url="https://api.mistral.ai/v1",
    models=_MODELS,
    dialect=Dialect(
        provider="mistral",
        # https://docs.mistral.ai/studio/conversations/reasoning
        rules=(
            ModelRule(
                ("mistral-large-4*", "mistral-medium-3[-.]5*", "mistral-medium-2604", "mistral-small-2603"),
                efforts=("none", "high"),
            ),
        ),
        answer_limit="max_tokens",
        # Fields that it does not know are refused (422), stream_options among them; streams tell usage unasked.
        stream_usage=False,
        renamed={"seed": "random_seed"},
        values={"tool_choice": {"required": "any"}},
        dropped=OPENAI_ONLY | {"user"},
        refused={**NO_LOGIT_BIAS, "verbosity": "say in the instructions how long the answer should be"},
        organisation_header="",
        call_id_length=9,
        files="any",
        file_form="document_url",
        embedding_names={"dimensions": "output_dimension"},
    ),
)
