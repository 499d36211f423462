"""Which IP addresses belong to everybody, and which to a machine, a network or a cloud alone."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Services that give a cloud's machine its secrets. Most lie in ranges that are refused anyway; a network that a setting
# allows never covers them, only one that is that very address. AWS, Google, Azure and others; AWS over IPv6; Alibaba;
# Oracle; Azure's "wire server", which is a public address.
METADATA = frozenset(
    map(
        ip_address,
        ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
# What Python's `ipaddress` knows by its version, named here so that it does not matter (IANA's special-purpose
# registries, https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry).
_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "224.0.0.0/3",
            "::/8",
            "64:ff9b:1::/48",
            "100::/64",
            "100:0:0:1::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/6",
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), _NAT64)
# RFC 5214, 6.1: the second half of an ISATAP address, whatever network the first half names.
_ISATAP = (0x00005EFE, 0x02005EFE)


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped one (::ffff:127.0.0.1) is another way to write; others as they are.

    Such an address is connected to over IPv4.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_public(address: Address) -> bool:
    """Tell whether `address`, and each IPv4 address within it, may be reached by anybody on the internet."""
    address = plain(address)
    if address in METADATA or not _is_global(address):
        return False
    return all(is_public(inner) for inner in embedded(address))


def embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which a router may pass on what is sent to `address`: 6to4, Teredo, NAT64, ISATAP."""
    if not isinstance(address, IPv6Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    number = int(address)
    is_isatap = (number >> 32) & 0xFFFFFFFF in _ISATAP
    if is_isatap or any(address in network for network in _TRANSLATED):
        yield IPv4Address(number & 0xFFFFFFFF)


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address in _NAT64:
        # Its own meaning is that of the IPv4 address in it.
        return True
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        return False
    if address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _SPECIAL if network.version == address.version)
