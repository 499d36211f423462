"""Mistral: https://docs.mistral.ai/api.

Prices: https://mistral.ai/pricing, as of 2025. Names that end in `-latest` move on to other models, so they have none.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "mistral-large-2411": priced("2.00", "6.00", None, 131_072),
    "mistral-medium-2508": priced("0.40", "2.00", None, 131_072),
    "mistral-small-2506": priced("0.10", "0.30", None, 131_072),
    "magistral-medium-2509": priced("2.00", "5.00", None, 131_072),
    "codestral-2508": priced("0.30", "0.90", None, 262_144),
    "ministral-8b-2410": priced("0.10", "0.10", None, 131_072),
    "ministral-3b-2410": priced("0.04", "0.04", None, 131_072),
    "mistral-embed": priced("0.10", "0", None, 8_192),
}

PROVIDER: ProviderType = CompatibleType(
    name="mistral",
    default_base_url="https://api.mistral.ai/v1",
    models=_MODELS,
    dialect=Dialect(
        provider="mistral",
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
