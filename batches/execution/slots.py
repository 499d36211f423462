"""Slots: how many batch rows a process runs at once, over all its leases. Used from the engine's loop alone."""

import asyncio
import contextlib


class Slots:
    """A counter that is taken in groups and given back one by one."""

    def __init__(self, size: int) -> None:
        """`size` slots, all free."""
        self.size = size
        self.free = size
        self._freed = asyncio.Event()

    @property
    def used(self) -> int:
        """How many are taken."""
        return self.size - self.free

    def take(self, most: int) -> int:
        """Take up to `most` free slots, and return how many."""
        taken = min(most, self.free)
        self.free -= taken
        return taken

    def give_back(self, number: int = 1) -> None:
        """Give `number` slots back and wake who waits."""
        self.free += number
        if number:
            self._freed.set()

    async def wait(self, seconds: float) -> None:
        """Return when a slot was given back, or after `seconds`."""
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), seconds)
