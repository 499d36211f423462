"""A client on an SDK, whose import takes most of a second and 20 MB: loaded when it is first needed."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from workers.errors import ErrorCode, WorkError


class _Closable(Protocol):
    async def aclose(self) -> None: ...


ClientT = TypeVar("ClientT", bound=_Closable)


class LazyClient(Generic[ClientT]):
    """Holds at most one client, built at the first call."""

    def __init__(self, module: str, build: Callable[[ModuleType], ClientT]) -> None:
        """Import `module` when it is needed, and give it to `build`."""
        self._module = module
        self._build = build
        self._client: ClientT | None = None
        self._is_closed = False

    async def get(self) -> ClientT:
        """Return the client. Raises WorkError `connection` once closed.

        The import runs in a thread, so that the calls in flight go on.
        """
        module = import_module(self._module) if self._client else await asyncio.to_thread(import_module, self._module)
        if self._is_closed:
            raise WorkError(ErrorCode.CONNECTION, "the client is closed")
        # Another call may have been faster.
        self._client = self._client or self._build(module)
        return self._client

    async def aclose(self) -> None:
        """Close the client where there is one; there will be none any more."""
        self._is_closed = True
        if self._client is not None:
            await self._client.aclose()
