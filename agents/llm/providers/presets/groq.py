"""Groq: https://console.groq.com/docs/openai.

Prices: https://groq.com/pricing; models and sizes: https://console.groq.com/docs/models; both as of November 2026.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import EFFORTS, Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "openai/gpt-oss-20b": priced("0.075", "0.30", "0.0375", 131_072, 65_536),
    "openai/gpt-oss-120b": priced("0.15", "0.60", "0.075", 131_072, 65_536),
    "qwen/qwen3.6-27b": priced("0.60", "3.00", "0.30", 131_072, 16_384),
    "qwen/qwen3.8-27b": priced("0.80", "4.00", "0.40", 131_042, 16_384),
}

PROVIDER: ProviderType = CompatibleType(
    name="groq",
    default_base_url="https://api.groq.com/openai/v1",
    models=_MODELS,
    dialect=Dialect(
        provider="groq",
        rules=(
            ModelRule(("openai/gpt-oss-*",), efforts=EFFORTS, structure="json_schema"),
            ModelRule(("qwen/qwen3*",), efforts=("none", "default")),
        ),
        answer_limit="max_completion_tokens",
        # https://console.groq.com/docs/structured-outputs: neither with tools nor in streams.
        structure="json_object",
        schema_with_tools=False,
        schema_in_streams=False,
        # A stream's last event tells the usage there, asked or not.
        stream_usage=False,
        usage_paths=(("usage",), ("x_groq", "usage")),
        dropped=OPENAI_ONLY - {"service_tier"},
        refused=NO_LOGIT_BIAS,
        organisation_header="",
        files="none",
        embeddings=False,
    ),
)
