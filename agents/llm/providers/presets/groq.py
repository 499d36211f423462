"""Groq: https://console.groq.com/docs/openai. Prices and sizes: https://groq.com/pricing, as of 2025."""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import EFFORTS, Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "llama-3.1-8b-instant": priced("0.05", "0.08", None, 131_072, 131_072),
    "llama-3.3-70b-versatile": priced("0.59", "0.79", None, 131_072, 32_768),
    "meta-llama/llama-4-scout-17b-16e-instruct": priced("0.11", "0.34", None, 131_072, 8_192),
    "meta-llama/llama-4-maverick-17b-128e-instruct": priced("0.20", "0.60", None, 131_072, 8_192),
    "moonshotai/kimi-k2-instruct-0905": priced("1.00", "3.00", "0.50", 262_144, 16_384),
    "openai/gpt-oss-20b": priced("0.075", "0.30", "0.0375", 131_072, 65_536),
    "openai/gpt-oss-120b": priced("0.15", "0.60", "0.075", 131_072, 65_536),
    "qwen/qwen3-32b": priced("0.29", "0.59", None, 131_072, 40_960),
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
            ModelRule(("moonshotai/kimi-k2*", "meta-llama/llama-4-*"), structure="json_schema"),
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
