"""A server that speaks chat completions, as a kind: its dialect, its known models, and how a client is built."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from agents.llm.http.address import check_address_and_key
from agents.llm.providers.base import ModelDefaults, Provider, ProviderConfig, ProviderType
from workers.errors import InvalidInput

from .catalogue import OPENAI_MODELS, OPENAI_RULES
from .dialect import Dialect
from .parameters import check_chat_parameters

UNKNOWN = ModelDefaults()
# gpt-4o-2024-08-06 costs what gpt-4o does.
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")


@dataclass(slots=True, eq=False)
class CompatibleType:
    """Builds clients of one vendor or kind of server.

    `models` are those whose prices and sizes are known; for any other hold the first of `usual_by_name` whose shell
    pattern fits, else `usual`. `address_example` shows what a base URL looks like where there is no default.
    """

    name: str
    default_base_url: str
    dialect: Dialect
    needs_key: bool = True
    models: Mapping[str, ModelDefaults] = field(default_factory=dict)
    usual: ModelDefaults = UNKNOWN
    usual_by_name: tuple[tuple[str, ModelDefaults], ...] = ()
    address_example: str = "https://host/v1"

    @property
    def has_embeddings(self) -> bool:
        """Whether the server can embed at all."""
        return self.dialect.embeddings

    def connect(self, config: ProviderConfig) -> Provider:
        """Return a client for `config`; it calls the vendor's own address where it has no base URL.

        Raises InvalidInput for a base URL that is missing or not http(s), and for a key that no header can carry.
        """
        base_url = config.base_url or self.default_base_url
        if not base_url:
            raise InvalidInput(f"base_url: the provider '{self.name}' needs one, such as {self.address_example}")
        check_address_and_key(base_url, config.api_key)
        # aiohttp takes a tenth of a second to import; checking an agent must not.
        from .provider import OpenAIProvider

        complete = ProviderConfig(config.api_key, base_url, config.organisation, config.max_answer_bytes)
        return OpenAIProvider(complete, self.dialect)

    def defaults(self, model: str) -> ModelDefaults:
        """Return the list prices and sizes of `model` where they are known; all of them can be overridden."""
        known = self.models.get(model) or self.models.get(_DATE.sub("", model))
        usual = (values for name, values in self.usual_by_name if fnmatchcase(model, name))
        return known or next(usual, self.usual)

    def known_models(self) -> Mapping[str, ModelDefaults]:
        """Return the models whose list prices are known."""
        return self.models

    def check_parameters(self, model: str, parameters: Mapping[str, Any]) -> None:
        """Raise InvalidInput naming the first parameter that is wrong, and what is allowed."""
        check_chat_parameters(self.dialect, model, parameters)


PROVIDER: ProviderType = CompatibleType(
    name="openai",
    default_base_url="https://api.openai.com/v1",
    dialect=Dialect(provider="openai", rules=OPENAI_RULES),
    models=OPENAI_MODELS,
)
