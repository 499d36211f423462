"""The providers by name. A provider's module is imported when it is first asked for, its SDK when it connects."""

from importlib import import_module

from agents.llm.providers.base import ProviderType
from workers.errors import InvalidInput

_PRESETS = (
    "azure",
    "compatible",
    "deepseek",
    "gemini",
    "groq",
    "lmstudio",
    "mistral",
    "ollama",
    "openrouter",
    "vllm",
)
_MODULES = {
    "anthropic": "agents.llm.providers.anthropic",
    "openai": "agents.llm.providers.openai",
    "simulated": "agents.llm.providers.simulated",
    **{name: f"agents.llm.providers.presets.{name}" for name in _PRESETS},
}


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, sorted."""
    return tuple(sorted(_MODULES))


def provider_type(name: str) -> ProviderType:
    """Return the provider called `name`. Raises InvalidInput naming the ones there are."""
    if name not in _MODULES:
        raise InvalidInput(f"provider must be one of: {', '.join(provider_names())}; not {name[:100]!r}")
    kind: ProviderType = import_module(_MODULES[name]).PROVIDER
    return kind
