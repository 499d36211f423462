"""An Ollama server of one's own: https://docs.ollama.com/api/openai-compatibility."""

from agents.llm.providers.base import ModelDefaults, ProviderType
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

from .common import NO_LOGIT_BIAS, OPENAI_ONLY

PROVIDER: ProviderType = CompatibleType(
    name="ollama",
    default_base_url="http://localhost:11434/v1",
    needs_key=False,
    # OLLAMA_NUM_PARALLEL is 4 where the memory allows it; more calls would wait in Ollama's queue.
    usual=ModelDefaults(max_concurrency=4),
    dialect=Dialect(
        provider="ollama",
        answer_limit="max_tokens",
        schema_of_any_value=True,
        dropped=OPENAI_ONLY | {"user", "parallel_tool_calls"},
        # It would ignore them without a word.
        refused={**NO_LOGIT_BIAS, "tool_choice": "Ollama's models choose for themselves"},
        organisation_header="",
        images="data",
        files="none",
    ),
)
