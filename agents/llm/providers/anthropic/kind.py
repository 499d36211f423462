"""The anthropic provider as a kind: known prices, the check of its parameters, and how a client is built."""

from collections.abc import Mapping
from typing import Any

from agents.llm.http.address import check_address_and_key
from agents.llm.providers.base import ModelDefaults, Provider, ProviderConfig, ProviderType

from .models import MODELS
from .parameters import check

DEFAULT_BASE_URL = "https://api.anthropic.com"


class AnthropicType:
    """Builds clients of Anthropic or of a server that speaks its API."""

    name = "anthropic"
    needs_key = True
    default_base_url = DEFAULT_BASE_URL
    has_embeddings = False

    def connect(self, config: ProviderConfig) -> Provider:
        """Return a client for `config`; Anthropic itself where it has no base URL, and then a key is needed.

        Raises InvalidInput for a base URL that is not http(s), and for a key that no header can carry.
        """
        check_address_and_key(config.base_url or DEFAULT_BASE_URL, config.api_key)
        # aiohttp takes a tenth of a second to import; checking an agent must not.
        from .provider import AnthropicProvider

        return AnthropicProvider(config)

    def defaults(self, model: str) -> ModelDefaults:
        """Return the list prices and sizes of `model` where they are known; all of them can be overridden."""
        return MODELS.get(model, ModelDefaults())

    def known_models(self) -> Mapping[str, ModelDefaults]:
        """Return the models whose list prices are known."""
        return MODELS

    def check_parameters(self, model: str, parameters: Mapping[str, Any]) -> None:
        """Raise InvalidInput naming the first parameter that is wrong, and what is allowed."""
        check(model, parameters)


PROVIDER: ProviderType = AnthropicType()
