"""From a name to the addresses that are connected to: resolved once, all of them looked at, and no others used."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from workers.errors import ErrorCode, WorkError

from .allowed import OutboundRules
from .refusal import Refused
from .urls import PRIVATE, Target

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a name; the second argument is the port. Raises OSError."""

MOST_ADDRESSES = 16


@cache
def _threads() -> ThreadPoolExecutor:
    # Not those of the loop: names whose servers hang would keep the providers' names waiting.
    return ThreadPoolExecutor(8, thread_name_prefix="arboretum-names")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses that this machine's resolver knows for `host`. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads(), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def checked_addresses(target: Target, rules: OutboundRules, resolve: Resolve) -> list[str]:
    """Return the addresses to connect to. Raises Refused where a single one is not permitted, WorkError without any.

    One bad address among good ones is refused whole: a client that picks one of them could be led to it.
    """
    if target.address is not None:
        return [str(target.address)]
    try:
        found = list(await resolve(target.host, target.port))[:MOST_ADDRESSES]
        addresses = [ip_address(text) for text in found]
    except (OSError, UnicodeError, ValueError):
        raise WorkError(ErrorCode.CONNECTION, "the host's name cannot be resolved") from None
    if not addresses:
        raise WorkError(ErrorCode.CONNECTION, "the host's name has no address")
    if not all(rules.permits(address, target.host) for address in addresses):
        raise Refused(PRIVATE)
    return [str(address) for address in addresses]


class PinnedResolver(AbstractResolver):
    """Knows one name's addresses, which were checked, and asks nobody again."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        """Hold the addresses of `host`."""
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses; of another name none."""
        if host.rstrip(".") != self._host:
            raise OSError("not the name that was checked")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""
