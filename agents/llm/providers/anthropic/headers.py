"""The headers and the address of a call that are Anthropic's own."""

from agents.llm.http.network import PLACEHOLDER_KEY
from agents.llm.providers.base import ProviderConfig

from .kind import DEFAULT_BASE_URL

# Beside the usual ones; nothing else that the SDK adds is sent.
OWN_HEADERS = frozenset({b"authorization", b"anthropic-version"})


def own_headers(config: ProviderConfig, version: str) -> dict[str, str]:
    """Return the headers that say who calls and which version of the API."""
    return {"Authorization": f"Bearer {config.api_key or PLACEHOLDER_KEY}", "anthropic-version": version}


def root_url(config: ProviderConfig) -> str:
    """Return the address below which the API's paths, which begin with /v1, stand; given with or without it."""
    url = (config.base_url or DEFAULT_BASE_URL).rstrip("/")
    return url.removesuffix("/v1")
