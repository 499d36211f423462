"""Slots: how many batch rows a process runs at once, over all its leases. Used from the engine's loop alone."""


class Slots:
    """A counter that is taken in groups and given back one by one."""

    def __init__(self, size: int) -> None:
        """`size` slots, all free."""
        self.size = size
        self.free = size

    @property
    def used(self) -> int:
        """How many are taken."""
        return self.size - self.free

    def take(self, most: int) -> int:
        """Take up to `most` free slots, and return how many."""
        taken = min(most, max(self.free, 0))
        self.free -= taken
        return taken

    def take_beyond(self) -> None:
        """Take one, even where none is free: the next ones that are given back make up for it."""
        self.free -= 1

    def give_back(self, number: int = 1) -> None:
        """Give `number` slots back."""
        self.free += number
