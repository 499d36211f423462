"""The headers that say who calls: the same for both ways of calling."""

from agents.llm.http.network import PLACEHOLDER_KEY, can_be_header, cannot_be_sent
from agents.llm.providers.base import ProviderConfig

from .dialect import Dialect


def own_headers(config: ProviderConfig, dialect: Dialect) -> dict[str, str]:
    """Return the headers that carry the key and the organisation, and those that the dialect adds.

    Raises WorkError `invalid_request` for an organisation that no header can carry.
    """
    headers = {**dialect.headers, dialect.key_header: f"{dialect.key_prefix}{config.api_key or PLACEHOLDER_KEY}"}
    if config.organisation and dialect.organisation_header:
        if not can_be_header(config.organisation):
            raise cannot_be_sent("the organisation is not printable ASCII")
        headers[dialect.organisation_header] = config.organisation
    return headers
