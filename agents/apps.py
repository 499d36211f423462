"""App configuration of `agents`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from credentials.providers import ProviderFacts


class AgentsConfig(AppConfig):
    """Makes `agents` known to Django, and the providers known to `credentials`."""

    name = "agents"

    def ready(self) -> None:
        """Tell `credentials` whom to ask about providers."""
        from credentials.providers import ProviderSource, use_providers

        use_providers(ProviderSource(_provider_names, _provider_facts))


def _provider_names() -> Sequence[str]:
    from .llm.registry import provider_names

    return provider_names()


def _provider_facts(name: str) -> "ProviderFacts":
    from credentials.providers import ProviderFacts

    from .llm.registry import provider_type

    kind = provider_type(name)
    models = {model: asdict(known) for model, known in kind.known_models().items()}
    return ProviderFacts(kind.needs_key, kind.default_base_url, models)
