"""What comes out of an input file: rows, the problems of rows, and the limits that both are held to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from django.conf import settings

InputFormat = Literal["csv", "jsonl"]

MEBIBYTE = 1024 * 1024
MAX_COLUMNS = 2000
MAX_NAME_LENGTH = 255
MAX_CUSTOM_ID_LENGTH = 255
CUSTOM_ID = "custom_id"
NUL_REASON = "holds a NUL character (U+0000), which a database cannot store"


class InputRow(NamedTuple):
    """A good row: the line it starts on (from 1), its custom_id if it has one, and its values by column name."""

    line: int
    custom_id: str | None
    columns: dict[str, Any]


class RowProblem(NamedTuple):
    """What is wrong with the row that starts on `line`, and with which of its columns where that can be said."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{f', column {self.column!r}' if self.column else ''}: {self.reason}"


class Limits(NamedTuple):
    """How many bytes of UTF-8 a cell and a whole row may have."""

    cell: int
    row: int


def current_limits() -> Limits:
    """Return the limits from the setting `ARBORETUM_MAX_CELL_BYTES` (1 MiB unless told); a row has at least 8 MiB."""
    cell = int(getattr(settings, "ARBORETUM_MAX_CELL_BYTES", MEBIBYTE))
    return Limits(cell=cell, row=max(8 * MEBIBYTE, cell))


def cell_too_large(limits: Limits) -> str:
    """Say that a cell is larger than it may be."""
    return f"is larger than {limits.cell:,} bytes, the most that a cell may have"


def row_too_large(limits: Limits) -> str:
    """Say that a row is larger than it may be."""
    return f"the row is larger than {limits.row:,} bytes, the most that a row may have"


class InputFile(ABC):
    """An input file, read as a stream any number of times: memory does not grow with the number of rows."""

    format: InputFormat

    def __init__(self, path: Path) -> None:
        """Take a path that `open_input` has checked; the limits are those of this moment."""
        self.path = path
        self.limits = current_limits()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order in which the file brings them."""

    @abstractmethod
    def entries(self) -> Iterator[InputRow | RowProblem]:
        """Yield each row in file order, and in place of a bad row its first problem. Blank lines are passed over.

        Raises InvalidInput where nothing after a line can be trusted: another encoding, or a quote left open.
        """

    def rows(self) -> Iterator[InputRow]:
        """Yield the good rows alone."""
        return (entry for entry in self.entries() if isinstance(entry, InputRow))
