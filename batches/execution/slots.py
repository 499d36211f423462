"""Slots: how many batch rows a process runs at once, over all its leases. Used from the engine's loop alone."""


class Slots:
    """A counter of free slots."""

    def __init__(self, size: int) -> None:
        """`size` slots, all free."""
        self.size = size
        self.free = size

    def take(self) -> bool:
        """Take a slot, and return whether there was one."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def take_beyond(self) -> None:
        """Take one, even where none is free: the next that is given back makes up for it."""
        self.free -= 1

    def give_back(self) -> None:
        """Give a slot back."""
        self.free += 1
