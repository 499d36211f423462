"""LM Studio's server on one's own machine: https://lmstudio.ai/docs/developer/openai-compat."""

from agents.llm.providers.base import ModelDefaults, ProviderType
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

from .common import OPENAI_ONLY

PROVIDER: ProviderType = CompatibleType(
    name="lmstudio",
    default_base_url="http://localhost:1234/v1",
    needs_key=False,
    # "Max concurrent predictions" of a model is 4 where nobody changed it; more calls would wait in its queue.
    usual=ModelDefaults(max_concurrency=4),
    dialect=Dialect(
        provider="lmstudio",
        answer_limit="max_tokens",
        schema_of_any_value=True,
        dropped=OPENAI_ONLY | {"user", "parallel_tool_calls"},
        organisation_header="",
        images="data",
        files="none",
    ),
)
