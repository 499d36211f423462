"""A vLLM server of one's own: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html."""

from agents.llm.providers.base import ModelDefaults, ProviderType
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

from .common import OPENAI_ONLY

PROVIDER: ProviderType = CompatibleType(
    name="vllm",
    default_base_url="http://localhost:8000/v1",
    needs_key=False,
    # vLLM's own --max-num-seqs, beyond which requests wait in its queue: 256 on most devices.
    usual=ModelDefaults(max_concurrency=256),
    dialect=Dialect(
        provider="vllm",
        # Older versions know this name alone.
        answer_limit="max_tokens",
        schema_of_any_value=True,
        dropped=OPENAI_ONLY,
        organisation_header="",
        files="none",
    ),
)
