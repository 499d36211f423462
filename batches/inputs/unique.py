"""Uniqueness of custom_ids over millions of rows, at eight bytes a row."""

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from .types import CUSTOM_ID, InputRow, RowProblem

_BUCKETS = 256


class Duplicate(NamedTuple):
    """A custom_id that occurs again: on which line, and on which line first."""

    line: int
    first_line: int
    custom_id: str

    def problem(self) -> RowProblem:
        """Return it as the problem of the later row."""
        return RowProblem(
            self.line, CUSTOM_ID, f"{self.custom_id!r} is already the custom_id of line {self.first_line}"
        )


class HashCounter:
    """Keeps the 64-bit hashes of ids and tells which occur more than once.

    Python salts the hash of text per process, so nobody can make up ids that collide; a chance collision costs the
    second look that every suspect gets, and no more.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]

    def add(self, custom_id: str) -> None:
        """Count one id."""
        number = hash(custom_id)
        self._buckets[number & 255].append(number)

    def suspects(self) -> set[int]:
        """Return the hashes that were added more than once; one bucket at a time is unpacked for it."""
        found: set[int] = set()
        for bucket in self._buckets:
            if len(set(bucket)) != len(bucket):
                found.update(number for number, times in Counter(bucket).items() if times > 1)
        return found


def find_duplicates(rows: Iterable[InputRow], suspects: set[int], most: int) -> list[Duplicate]:
    """Return every later row whose custom_id, one of the suspects, an earlier row has; stops after `most`."""
    first_lines: dict[str, int] = {}
    found: list[Duplicate] = []
    for row in rows:
        if row.custom_id is None or hash(row.custom_id) not in suspects:
            continue
        first = first_lines.setdefault(row.custom_id, row.line)
        if first != row.line:
            found.append(Duplicate(row.line, first, row.custom_id))
            if len(found) == most:
                break
    return found
