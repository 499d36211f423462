"""Azure OpenAI's v1 endpoint: OpenAI's models under the names of one's own deployments.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle. Dated `api-version` parameters are not
needed there. Prices of global deployments are OpenAI's; a deployment that is named otherwise gets its own by
`manage.py models set`.
"""

from agents.llm.providers.base import ProviderType
from agents.llm.providers.openai.catalogue import OPENAI_MODELS, OPENAI_RULES
from agents.llm.providers.openai.dialect import Dialect
from agents.llm.providers.openai.kind import CompatibleType

PROVIDER: ProviderType = CompatibleType(
    name="azure",
    default_base_url="",
    address_example="https://RESOURCE.openai.azure.com/openai/v1",
    models=OPENAI_MODELS,
    dialect=Dialect(
        provider="azure",
        rules=OPENAI_RULES,
        key_header="api-key",
        key_prefix="",
        organisation_header="",
        # Its chat completions take no files, its responses API does.
        files="none",
    ),
)
