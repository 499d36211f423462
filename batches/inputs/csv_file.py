"""CSV with a header row (RFC 4180): quoted cells may hold delimiters, quotes and line ends."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from workers.errors import InvalidInput

from .header import find_delimiter, parse_header
from .lines import LineTooLong, not_utf8, open_bytes, skip_line
from .types import (
    CUSTOM_ID,
    MAX_CUSTOM_ID_LENGTH,
    NUL_REASON,
    InputFile,
    InputRow,
    RowProblem,
    cell_too_large,
    row_too_large,
)

# What the csv module says, and what it means for a person.
_REASONS = {
    "unexpected end of data": "a quoted cell is not closed",
    "new-line character": "a carriage return stands alone outside quotes; end lines with a line feed",
}
_QUOTE_REASON = "text follows the closing quote of a cell; write a quote inside a quoted cell twice"


class CsvFile(InputFile):
    """A CSV file. Delimited by commas, or by semicolons or tabs where the header says so."""

    format = "csv"

    def __init__(self, path: Path) -> None:
        """Read the header. Raises InvalidInput where there is none that can be used."""
        super().__init__(path)
        # The csv module's own limit (128 KiB) is one for the whole process: it may only grow.
        csv.field_size_limit(max(csv.field_size_limit(), self.limits.row))
        with open_bytes(path) as file:
            feeder = _Feeder(file, path.name, self.limits.row)
            self.delimiter = find_delimiter(path.name, feeder.peek())
            where = f"{path.name}: line {feeder.line}"
            self._columns = parse_header(where, _first_record(where, feeder, self.delimiter))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the header."""
        return self._columns

    def entries(self) -> Iterator[InputRow | RowProblem]:
        """Yield rows and problems; a row is named by the physical line that it starts on."""
        with open_bytes(self.path) as file:
            feeder = _Feeder(file, self.path.name, self.limits.row)
            feeder.peek()
            reader = csv.reader(feeder, delimiter=self.delimiter, strict=True)
            next(reader, None)
            yield from self._entries(feeder, reader)

    def _entries(self, feeder: "_Feeder", reader: "Iterator[list[str]]") -> Iterator[InputRow | RowProblem]:
        names, width, max_cell = self.columns, len(self.columns), self.limits.cell
        id_place = names.index(CUSTOM_ID) if CUSTOM_ID in names else None
        while True:
            line = feeder.start_record()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except LineTooLong:
                yield RowProblem(line, None, row_too_large(self.limits))
                continue
            except csv.Error as error:
                yield self._broken_row(line, feeder, error)
                continue
            if len(cells) != width or feeder.has_nul or feeder.record_bytes > max_cell:
                if _is_blank(cells, width):
                    continue
                if problem := self._problem(line, cells):
                    yield problem
                    continue
            custom_id = cells[id_place] or None if id_place is not None else None
            if custom_id and len(custom_id) > MAX_CUSTOM_ID_LENGTH:
                yield RowProblem(line, CUSTOM_ID, f"is longer than {MAX_CUSTOM_ID_LENGTH} characters")
                continue
            yield InputRow(line, custom_id, dict(zip(names, cells, strict=True)))

    def _broken_row(self, line: int, feeder: "_Feeder", error: csv.Error) -> RowProblem:
        """Return the problem of a row on one line; raise where a quote swallowed lines, which nobody should skip."""
        reason = _reason(error)
        if feeder.line > line:
            raise InvalidInput(
                f"{self.path.name}: line {line}: a quote is opened in this row and read up to line {feeder.line}, "
                f"where {reason}."
            )
        return RowProblem(line, None, reason)

    def _problem(self, line: int, cells: list[str]) -> RowProblem | None:
        if len(cells) != len(self.columns):
            return RowProblem(line, None, f"has {_fields(len(cells))}, but the header has {len(self.columns)}")
        for name, cell in zip(self.columns, cells, strict=True):
            if "\0" in cell:
                return RowProblem(line, name, NUL_REASON)
            if len(cell.encode()) > self.limits.cell:
                return RowProblem(line, name, cell_too_large(self.limits))
        return None


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _is_blank(cells: list[str], width: int) -> bool:
    """Whether the row is an empty line, or one of spaces where several columns are expected."""
    return not cells or (len(cells) == 1 < width and not cells[0].strip())


def _first_record(where: str, feeder: "_Feeder", delimiter: str) -> list[str]:
    try:
        return next(csv.reader(feeder, delimiter=delimiter, strict=True))
    except LineTooLong:
        raise InvalidInput(f"{where}: the header is too long.") from None
    except csv.Error as error:
        raise InvalidInput(f"{where}: the header cannot be read: {_reason(error)}.") from None


def _reason(error: csv.Error) -> str:
    return next((text for start, text in _REASONS.items() if str(error).startswith(start)), _QUOTE_REASON)


class _Feeder:
    """Gives csv.reader one decoded line at a time, and knows the line, and the bytes and NULs of the record."""

    def __init__(self, file: BinaryIO, name: str, limit: int) -> None:
        self.name = name
        self.line = 0
        self.record_bytes = 0
        self.has_nul = False
        self._file = file
        self._readline = file.readline
        self._limit = limit
        self._kept: str | None = None

    def start_record(self) -> int:
        """Begin to count a record; return the line that it starts on."""
        self.record_bytes = 0
        self.has_nul = False
        return self.line + 1

    def peek(self) -> str:
        """Return the first line that is not blank, which stays the next one to be given; "" where there is none."""
        for text in self:
            if text.strip():
                self._kept = text
                return text
        return ""

    def __iter__(self) -> "_Feeder":
        return self

    def __next__(self) -> str:
        if self._kept is not None:
            text, self._kept = self._kept, None
            return text
        raw = self._readline(self._limit + 1)
        if not raw:
            raise StopIteration
        self.line += 1
        self.record_bytes += len(raw)
        if self.record_bytes > self._limit:
            self._refuse(raw)
        if b"\0" in raw:
            self.has_nul = True
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(self.name, self.line, error) from None

    def _refuse(self, raw: bytes) -> None:
        if self.record_bytes == len(raw):
            skip_line(self._file, raw)
            raise LineTooLong
        raise InvalidInput(
            f"{self.name}: a quote opened in an earlier row is still open on line {self.line}, after "
            f"{self._limit:,} bytes; close it, or write a quote inside a quoted cell twice."
        )
