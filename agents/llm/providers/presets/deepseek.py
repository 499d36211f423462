"""DeepSeek: https://api-docs.deepseek.com.

Prices and limits of calls in flight: https://api-docs.deepseek.com/quick_start/pricing, as of October 2026. The prices
are those of its peak hours; outside them a call costs half of what is shown.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import priced
from agents.llm.providers.openai.dialect import Dialect, ModelRule
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

_MODELS = {
    "deepseek-flash": priced("0.30", "1.20", "0.006", 1_000_000, 384_000, max_concurrency=2_500),
    "deepseek-v4-pro": priced("1.32", "3.96", "0.044", 1_000_000, 384_000, max_concurrency=500),
}

PROVIDER: ProviderType = CompatibleType(
    name="deepseek",
    default_base_url="https://api.deepseek.com",
    models=_MODELS,
    dialect=Dialect(
        provider="deepseek",
        rules=(ModelRule(("deepseek-flash*",), images="any"),),
        answer_limit="max_tokens",
        structure="json_object",
        dropped=OPENAI_ONLY | {"user", "parallel_tool_calls"},
        refused=NO_LOGIT_BIAS,
        organisation_header="",
        # https://api-docs.deepseek.com/guides/thinking_mode: after tool calls it is missed with a 400.
        replayed=("reasoning_content",),
        images="none",
        files="none",
        embeddings=False,
    ),
)
