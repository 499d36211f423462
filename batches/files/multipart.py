"""A multipart form, taken apart while it comes (RFC 7578, https://www.rfc-editor.org/rfc/rfc7578)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from workers.errors import InvalidInput

MOST_FIELDS = 32
LONGEST_FIELD = 4096


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins: its field's name, and the name of the file where it is one."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part that began last."""

    data: bytes


Event = PartStart | PartData | None


class MultipartForm:
    """The events of a form, read once: a PartStart for each part, its PartData, and None where the part ends."""

    def __init__(self, pieces: Iterable[bytes], content_type: str) -> None:
        """Take the body, and the request's content type. Raises InvalidInput where that is no multipart form."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidInput("The body must be multipart/form-data, with a boundary.")
        self._pieces = pieces
        self._found: list[Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value = b"", b""
        self._is_whole = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise InvalidInput(f"The body is no valid form: {error}.") from None

    def events(self) -> Iterator[Event]:
        """Yield the events. Raises InvalidInput where the body is malformed or ends too early."""
        for piece in self._pieces:
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise InvalidInput(f"The body is no valid form: {error}.") from None
            found, self._found = self._found, []
            yield from found
        if not self._is_whole:
            raise InvalidInput("The body ends before the form does.")

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._take_field,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_part,
            "on_part_data": lambda data, start, end: self._found.append(PartData(data[start:end])),
            "on_part_end": lambda: self._found.append(None),
            "on_end": self._end,
        }

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _begin_part(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise InvalidInput("Each part of the form needs a Content-Disposition with a name.")
        filename = options.get(b"filename")
        self._found.append(PartStart(_text(options[b"name"]), None if filename is None else _text(filename)))

    def _end(self) -> None:
        self._is_whole = True


def _text(value: bytes) -> str:
    """Return a name as text: browsers and the client send UTF-8."""
    return value.decode(errors="replace")
