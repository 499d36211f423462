"""App configuration of `agents`."""

from collections.abc import Sequence

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Makes `agents` known to Django, and the providers known to `credentials`."""

    name = "agents"

    def ready(self) -> None:
        """Tell `credentials` whom to ask about providers."""
        from credentials.providers import use_providers

        use_providers(_provider_names, _needs_key)


def _provider_names() -> Sequence[str]:
    from .llm.registry import provider_names

    return provider_names()


def _needs_key(name: str) -> bool:
    from .llm.registry import provider_type

    return provider_type(name).needs_key
