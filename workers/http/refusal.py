"""The error for a request that may not be made."""

from workers.errors import InvalidInput


class Refused(InvalidInput):
    """An address that the guarded client does not call. The message says why, and names no address that it found."""
