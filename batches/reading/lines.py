"""Lines of a file that comes in chunks: counted, bounded, each with the place where the next one begins."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

# The longest body that a request may have by itself (credentials.api.bodies), and what stands around it.
LONGEST_LINE = 64 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Place(NamedTuple):
    """How far a file was read: bytes, and lines."""

    offset: int = 0
    line: int = 0


class Line(NamedTuple):
    """A line without its end; None where it was too long to be held. `after` is the place behind it."""

    raw: bytes | None
    after: Place

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return self.after.line


def split_lines(chunks: Iterable[bytes], start: Place, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Yield the lines of a file, of which `chunks` are the bytes from `start` on. Empty lines are lines too."""
    offset, number = start
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            size += len(piece)
            offset, number = offset + size + 1, number + 1
            raw = b"".join([*parts, piece]) if parts else piece
            yield Line(_unmarked(raw, number) if size <= longest else None, Place(offset, number))
            parts, size = [], 0
        size += len(rest)
        # Of a line that is too long no more is kept than tells so.
        parts = [*parts, rest] if size <= longest else []
    if size:
        raw = b"".join(parts)
        yield Line(_unmarked(raw, number + 1) if size <= longest else None, Place(offset + size, number + 1))


def _unmarked(raw: bytes, number: int) -> bytes:
    return raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
