"""What the settings say about outbound requests: schemes, ports, and what is allowed of the private network."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from django.conf import settings

from .addresses import METADATA, Address, Network, embedded, is_public, plain


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """Schemes and ports that may be called, and networks and host names that may although they are private."""

    schemes: frozenset[str]
    ports: frozenset[int]
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def permits(self, address: Address, host: str = "") -> bool:
        """Tell whether `address` may be connected to, under the name `host` where it has one."""
        address = plain(address)
        own = [network for network in self.networks if address.version == network.version and address in network]
        if address in METADATA or any(inner in METADATA for inner in embedded(address)):
            # A network that happens to hold a cloud's keys is no wish to give them away.
            return any(network.num_addresses == 1 for network in own)
        return bool(own) or host in self.hosts or is_public(address)


def outbound_rules() -> OutboundRules:
    """Return what the settings say."""
    return _rules(
        tuple(settings.ARBORETUM_OUTBOUND_SCHEMES),
        tuple(settings.ARBORETUM_OUTBOUND_PORTS),
        tuple(settings.ARBORETUM_OUTBOUND_ALLOW),
    )


@lru_cache(maxsize=8)
def _rules(schemes: Collection[str], ports: Collection[str], allowed: Collection[str]) -> OutboundRules:
    networks: list[Network] = []
    hosts: set[str] = set()
    for entry in allowed:
        try:
            networks.append(ip_network(entry))
        except ValueError:
            hosts.add(entry.lower().rstrip("."))
    return OutboundRules(frozenset(schemes), frozenset(map(int, ports)), tuple(networks), frozenset(hosts))
