"""Any other server that speaks chat completions: nothing is asked of it beyond what all of them know."""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

PROVIDER: ProviderType = CompatibleType(
    name="compatible",
    default_base_url="",
    needs_key=False,
    dialect=Dialect(
        provider="compatible",
        # The older name, which the newer servers know as well.
        answer_limit="max_tokens",
        structure="instructions",
        stream_usage=False,
        organisation_header="",
    ),
)
