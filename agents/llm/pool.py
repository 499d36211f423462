"""Connected clients, kept: building one costs about 20 ms, and its connections are worth keeping."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from workers.errors import ErrorCode, InvalidInput, WorkError

_Key = tuple[str, ProviderConfig]


@dataclass(slots=True)
class _Entry:
    """A client, how many hold it, and whether it is still in the pool."""

    client: LLMClient
    users: int = 0
    is_kept: bool = True


class ClientPool:
    """One connected client per provider, configuration and event loop, the least recently used dropped beyond a bound.

    A client that somebody holds is never closed under them: one that was dropped is closed when its last holder
    gives it back. Not for several threads at once on one loop, as asyncio is not.
    """

    def __init__(self, *, max_clients: int = 64, idle_timeout: float = 60.0) -> None:
        """Keep at most `max_clients` a loop; `idle_timeout` (seconds) is handed to each LLMClient."""
        self._max_clients = max_clients
        self._idle_timeout = idle_timeout
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, OrderedDict[_Key, _Entry]] = WeakKeyDictionary()

    @asynccontextmanager
    async def lease(self, provider: str, config: ProviderConfig) -> AsyncIterator[LLMClient]:
        """Lend the client of `provider` and `config`, connected at the first time.

        Hold it for as long as its calls take (a whole run). Raises WorkError `invalid_request` where the provider
        is unknown or the configuration is wrong.
        """
        entry = self._take((provider, config))
        entry.users += 1
        try:
            await self._drop_surplus()
            yield entry.client
        finally:
            entry.users -= 1
            await _close_unused(entry)

    async def aclose(self) -> None:
        """Close every client of the running loop that nobody holds; the held ones close when they are given back."""
        entries = self._entries()
        while entries:
            await self._drop(entries.popitem()[1])

    def _entries(self) -> OrderedDict[_Key, _Entry]:
        return self._loops.setdefault(asyncio.get_running_loop(), OrderedDict())

    def _take(self, key: _Key) -> _Entry:
        entries = self._entries()
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = _Entry(self._connect(*key))
        entries.move_to_end(key)
        return entry

    def _connect(self, provider: str, config: ProviderConfig) -> LLMClient:
        try:
            connected = provider_type(provider).connect(config)
        except InvalidInput as error:
            raise WorkError(ErrorCode.INVALID_REQUEST, str(error)) from None
        return LLMClient(connected, idle_timeout=self._idle_timeout, max_answer_bytes=config.max_answer_bytes)

    async def _drop_surplus(self) -> None:
        entries = self._entries()
        while len(entries) > self._max_clients:
            await self._drop(entries.popitem(last=False)[1])

    async def _drop(self, entry: _Entry) -> None:
        entry.is_kept = False
        await _close_unused(entry)


async def _close_unused(entry: _Entry) -> None:
    if entry.users == 0 and not entry.is_kept:
        await entry.client.aclose()
