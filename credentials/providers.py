"""Which providers a credential may name, and what is known of them.

This package knows no vendor. The app that speaks to providers says here, once at start-up, how to ask it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from workers.errors import InvalidInput

_OWN_HOSTS = ("localhost", "127.0.0.1", "::1")

KnownModel = Mapping[str, int | Decimal | None]
"""Limits, prices and sizes of a model, by the names that ProviderModel has for them."""


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What is known of a provider.

    `needs_key` says whether its own address wants a key; `base_url` is that address, empty where each credential has
    one of its own; `models` are those whose prices or sizes are known.
    """

    needs_key: bool
    base_url: str
    models: Mapping[str, KnownModel] = field(default_factory=dict)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the provider's own address is a server on the machine that calls it."""
        return urlsplit(self.base_url).hostname in _OWN_HOSTS


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """Where the names of the providers come from, and the facts of one of them. Asked late: it may be slow."""

    names: Callable[[], Sequence[str]]
    facts: Callable[[str], ProviderFacts]


_sources: list[ProviderSource] = []


def use_providers(source: ProviderSource) -> None:
    """Ask `source` from now on, in place of one that was given before."""
    _sources[:] = [source]


def check_provider(name: str) -> None:
    """Raise InvalidInput, naming the providers there are, unless `name` is one of them."""
    names = sorted(name for source in _sources for name in source.names())
    if name not in names:
        raise InvalidInput(f"provider: there is no '{name}'; allowed: {', '.join(names)}")


def provider_facts(name: str) -> ProviderFacts:
    """Return what is known of the provider `name`. Raises InvalidInput where there is none."""
    check_provider(name)
    return next(source.facts(name) for source in _sources if name in source.names())


def needs_key(name: str, base_url: str = "") -> bool:
    """Return whether a credential of the provider `name` at `base_url` needs a key.

    A server of one's own may want none, so that another address than the provider's own needs none; a provider without
    an address of its own says for all of them.
    """
    facts = provider_facts(name)
    return facts.needs_key and not (base_url and facts.base_url)


def check_address(name: str, base_url: str, *, is_staff: bool) -> None:
    """Raise InvalidInput where a credential of the provider `name` may not call `base_url` (empty: its own address).

    Only staff may have calls sent to a server on this machine, or to any that they name.
    """
    facts = provider_facts(name)
    if not base_url and not facts.base_url:
        raise InvalidInput(f"base_url: the provider '{name}' has no address of its own; give one (docs/providers.md)")
    if base_url and not is_staff:
        raise InvalidInput("base_url: only staff may set it")
    if not base_url and facts.is_on_this_machine and not is_staff:
        raise InvalidInput(f"provider: only staff may use '{name}', a server on this machine")
