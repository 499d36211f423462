"""Physical lines of a file: bounded, counted, UTF-8."""

import codecs
from pathlib import Path
from typing import BinaryIO

from workers.errors import InvalidInput

from .types import MEBIBYTE

_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_OTHER_FILES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file",
}


class LineTooLong(Exception):
    """A line is longer than it may be; it has been passed over without being held in memory."""


def open_bytes(path: Path) -> BinaryIO:
    """Open `path`, past a UTF-8 byte-order mark. Raises InvalidInput where it cannot be read or is another format."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path.name}: cannot be read ({error.strerror}).") from error
    try:
        _pass_byte_order_mark(file, path.name)
    except BaseException:
        file.close()
        raise
    return file


def _pass_byte_order_mark(file: BinaryIO, name: str) -> None:
    start = file.read(4)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if start.startswith(mark):
            raise InvalidInput(f"{name}: line 1, byte 1: the file is encoded as {encoding}; save it as UTF-8.")
    for magic, what in _OTHER_FILES.items():
        if start.startswith(magic):
            raise InvalidInput(f"{name}: is {what}; save it as CSV (UTF-8) or JSONL.")
    file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)


def read_line(file: BinaryIO, limit: int) -> bytes:
    """Return the next line with its end, b"" after the last. Raises LineTooLong over `limit` bytes, once past it."""
    raw = file.readline(limit + 1)
    if len(raw) > limit:
        skip_line(file, raw)
        raise LineTooLong
    return raw


def skip_line(file: BinaryIO, read: bytes) -> None:
    """Pass over what is left of the line that `read` began."""
    while read and not read.endswith(b"\n"):
        read = file.readline(MEBIBYTE)


def not_utf8(name: str, line: int, error: UnicodeDecodeError) -> InvalidInput:
    """Say which byte of which line of file `name` is not UTF-8."""
    byte = error.object[error.start]
    return InvalidInput(
        f"{name}: line {line}, byte {error.start + 1}: 0x{byte:02X} is not UTF-8. "
        "The file is in another encoding; save it as UTF-8."
    )
