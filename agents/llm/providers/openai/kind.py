"""The openai provider as a kind: known prices, the check of its parameters, and how a client is built."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from agents.llm.parameters import CHAT_PARAMETERS, check_fields
from agents.llm.providers.base import ModelDefaults, Provider, ProviderConfig, ProviderType
from workers.errors import InvalidInput

DEFAULT_BASE_URL = "https://api.openai.com/v1"


def _model(input_price: str, output_price: str, context_window: int, max_output_tokens: int) -> ModelDefaults:
    return ModelDefaults(
        input_price=Decimal(input_price),
        output_price=Decimal(output_price),
        context_window=context_window,
        max_output_tokens=max_output_tokens,
    )


# OpenAI's list prices and model cards of 2025. They change: `manage.py models set` overrides them, model by model.
_MODELS = {
    "gpt-4o": _model("2.50", "10.00", 128_000, 16_384),
    "gpt-4o-mini": _model("0.15", "0.60", 128_000, 16_384),
    "gpt-4.1": _model("2.00", "8.00", 1_047_576, 32_768),
    "gpt-4.1-mini": _model("0.40", "1.60", 1_047_576, 32_768),
    "gpt-4.1-nano": _model("0.10", "0.40", 1_047_576, 32_768),
}


class OpenAIType:
    """Builds clients of OpenAI or of a compatible server."""

    name = "openai"
    needs_key = True
    default_base_url = DEFAULT_BASE_URL

    def connect(self, config: ProviderConfig) -> Provider:
        """Return a client for `config`; OpenAI itself where it has no base URL, and then a key is needed.

        Raises InvalidInput for a base URL that is not http(s), and for a key that no header can carry.
        """
        if config.base_url and not _is_http(config.base_url):
            raise InvalidInput("base_url must start with http:// or https:// and name a host")
        if not config.api_key.isascii() or not config.api_key.isprintable():
            raise InvalidInput("the key must be printable ASCII without line breaks")
        # aiohttp takes a tenth of a second to import; checking an agent must not.
        from .provider import OpenAIProvider

        return OpenAIProvider(config)

    def defaults(self, model: str) -> ModelDefaults:
        """Return the list prices and sizes of `model` where they are known; all of them can be overridden."""
        return _MODELS.get(model, ModelDefaults())

    def known_models(self) -> Mapping[str, ModelDefaults]:
        """Return the models whose list prices are known."""
        return _MODELS

    def check_parameters(self, model: str, parameters: Mapping[str, Any]) -> None:
        """Raise InvalidInput naming the first parameter that is wrong, and what is allowed."""
        check_fields(dict(parameters), CHAT_PARAMETERS)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


PROVIDER: ProviderType = OpenAIType()
