"""The manifest of a folder of results: which parts it holds, and what they must look like."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from workers.errors import InvalidInput

from .files import sync_folder, write_whole

MANIFEST = "manifest.json"
_VERSION = 1
_PART_NAME = re.compile(r"part-([0-9]{5,9})\.(\w+)")
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A file: the indexes of its first and last row, its size and hash, and `seen`, what its rows looked like."""

    name: str
    first: int
    last: int
    rows: int
    bytes: int
    sha256: str
    seen: str

    def is_whole(self, folder: Path) -> bool:
        """Whether the file is there as it was written."""
        path = folder / self.name
        if not path.is_file() or path.is_symlink() or path.stat().st_size != self.bytes:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                digest.update(data)
        return digest.hexdigest() == self.sha256


@dataclass(slots=True)
class Manifest:
    """Of which batch, in which format and size of parts; `complete` once the batch has ended and all is there."""

    batch: int
    created_at: str
    format: str
    part_rows: int
    parts: dict[str, Part] = field(default_factory=dict)
    complete: bool = False

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(part.rows for part in self.parts.values())

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        parts = [asdict(self.parts[name]) for name in sorted(self.parts)]
        data = {"version": _VERSION, **asdict(self), "rows": self.rows, "parts": parts}
        text = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_whole(folder / MANIFEST, [text], follow_link=False)
        sync_folder(folder)


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest, None where it has none. Raises InvalidInput where it is no manifest of ours."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        data = orjson.loads(path.read_bytes())
        if data.pop("version") != _VERSION:
            raise ValueError
        data.pop("rows")
        parts = {part["name"]: Part(**part) for part in data.pop("parts")}
        found = Manifest(**data, parts=parts)
        _check(found)
        return found
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InvalidInput(f"{path}: is no manifest of results; choose another folder.") from None


def _check(manifest: Manifest) -> None:
    """Raise ValueError where it says what none of ours does."""
    if type(manifest.part_rows) is not int or manifest.part_rows < 1:
        raise ValueError
    for part in manifest.parts.values():
        match = _PART_NAME.fullmatch(part.name)
        numbers = (part.first, part.last, part.rows, part.bytes)
        if match is None or match[2] != manifest.format or any(type(number) is not int for number in numbers):
            raise ValueError
        if (part.first, part.last) != (int(match[1]) * manifest.part_rows, part.first + part.rows - 1):
            raise ValueError


class Measured:
    """Bytes on their way to a file, counted and hashed."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        """Measure `parts`."""
        self._parts = parts
        self._digest = hashlib.sha256()
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """Pass the bytes on."""
        for data in self._parts:
            self._digest.update(data)
            self.bytes += len(data)
            yield data

    @property
    def sha256(self) -> str:
        """The hash of what has passed."""
        return self._digest.hexdigest()
