"""Which providers a credential may name.

This package knows no vendor. The app that speaks to providers says here, once at start-up, how to ask it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workers.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """Where the names of the providers come from, and whether one of them needs a key. Asked late: it may be slow."""

    names: Callable[[], Sequence[str]]
    needs_key: Callable[[str], bool]


_sources: list[ProviderSource] = []


def use_providers(names: Callable[[], Sequence[str]], needs_key: Callable[[str], bool]) -> None:
    """Ask these functions from now on, in place of those given before."""
    _sources[:] = [ProviderSource(names, needs_key)]


def check_provider(name: str) -> None:
    """Raise InvalidInput, naming the providers there are, unless `name` is one of them."""
    names = sorted(name for source in _sources for name in source.names())
    if name not in names:
        raise InvalidInput(f"provider: there is no '{name}'; allowed: {', '.join(names)}")


def needs_key(name: str) -> bool:
    """Return whether the provider `name` needs a key at its own address."""
    return any(source.needs_key(name) for source in _sources)
