"""The headers of a call that are OpenAI's own."""

from agents.llm.http.network import PLACEHOLDER_KEY, can_be_header, cannot_be_sent
from agents.llm.providers.base import ProviderConfig


def own_headers(config: ProviderConfig) -> dict[str, str]:
    """Return the headers that tell who calls. Raises WorkError `invalid_request` for an organisation that is none."""
    headers = {"Authorization": f"Bearer {config.api_key or PLACEHOLDER_KEY}"}
    if config.organisation:
        if not can_be_header(config.organisation):
            raise cannot_be_sent("the organisation is not printable ASCII")
        headers["OpenAI-Organization"] = config.organisation
    return headers
