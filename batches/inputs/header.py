"""The header of a CSV file: its delimiter and its names."""

import csv

from workers.errors import InvalidInput

from .types import MAX_COLUMNS, MAX_NAME_LENGTH

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs"}


def find_delimiter(file_name: str, line: str) -> str:
    """Return what delimits the header's first line: a comma wherever one does, else a semicolon or a tab.

    Raises InvalidInput for an empty file, and where semicolons and tabs both could be meant.
    """
    if not line:
        raise InvalidInput(f"{file_name}: is empty; a CSV file needs a header row and at least one row under it.")
    if _splits(line, ","):
        return ","
    found = [delimiter for delimiter in _OTHER_DELIMITERS if _splits(line, delimiter)]
    if len(found) > 1:
        raise InvalidInput(
            f"{file_name}: line 1: the header holds semicolons and tabs, so that its delimiter is unclear; use commas."
        )
    return found[0] if found else ","


def _splits(line: str, delimiter: str) -> bool:
    try:
        return delimiter in line and len(next(csv.reader([line], delimiter=delimiter))) > 1
    except csv.Error:
        # No header in any way; who reads it says what is wrong.
        return False


def parse_header(where: str, cells: list[str]) -> tuple[str, ...]:
    """Return the names of a header row, without the spaces around them; `where` begins the message of an error.

    Raises InvalidInput where a name is missing, occurs twice, is too long or cannot be stored.
    """
    names = [cell.strip() for cell in cells]
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(f"{where}: the header has {len(names)} columns; at most {MAX_COLUMNS} are allowed.")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if reason := bad_name(name):
            raise InvalidInput(f"{where}: the name of column {place} {reason}.")
        if name in seen:
            raise InvalidInput(f"{where}: columns {seen[name]} and {place} have the same name {name!r}.")
        seen[name] = place
    return tuple(names)


def bad_name(name: str) -> str | None:
    """Return what is wrong with a column's name, None where nothing is."""
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a NUL character; the file may be UTF-16, save it as UTF-8"
    return f"is longer than {MAX_NAME_LENGTH} characters" if len(name) > MAX_NAME_LENGTH else None
