"""An upload: from the pieces of a request's body straight into the storage, in flat memory."""

import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.core.files import File as Content

from workers.errors import InvalidInput

from .multipart import LONGEST_FIELD, MOST_FIELDS, Event, MultipartForm, PartData, PartStart
from .storage import FileStorage, new_name

TOO_LARGE = "File is too large."
# What a form adds to its file: boundaries, headers and the other fields, at most, in bytes.
FORM_BYTES = 256 * 1024
_LONGEST_FILENAME = 255


@dataclass
class Upload:
    """A form whose file is kept already: its other fields, and where the file lies under which name."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str = ""
    storage_name: str = ""
    bytes: int = 0
    content_digest: str = ""
    is_recorded: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 (hex) of all that the form says: of the same file and fields the same, in whatever order."""
        said = repr((sorted(self.fields.items()), self.filename, self.content_digest))
        return hashlib.sha256(said.encode()).hexdigest()


# Called with the fields known so far and the file's name before the file is taken; raises what refuses it.
Check = Callable[[Mapping[str, str], str], None]


class _Incoming(Content):  # type: ignore[type-arg]
    """The data of one part, as the file that a storage reads. It ends where the part ends."""

    def __init__(self, events: Iterator[Event], most: int, hasher: "hashlib._Hash | None") -> None:
        super().__init__(None, name="upload")
        self.taken = 0
        self._hasher = hasher
        self._events = events
        self._most = most
        self._rest = b""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the data as it comes. Raises InvalidInput where it is more than allowed."""
        while event := next(self._events, None):
            assert isinstance(event, PartData)
            self.taken += len(event.data)
            if self.taken > self._most:
                raise InvalidInput(TOO_LARGE)
            if self._hasher is not None:
                self._hasher.update(event.data)
            yield event.data

    def read(self, num_bytes: int | None = None) -> bytes:
        """Return up to `num_bytes`; fewer only at the end, as those who upload in parts of a size need it."""
        parts, missing = [], math.inf if num_bytes is None else num_bytes
        while missing > 0 and (chunk := self._rest or next(self.chunks(), b"")):
            taken = chunk if len(chunk) <= missing else chunk[: int(missing)]
            self._rest = chunk[len(taken) :]
            parts.append(taken)
            missing -= len(taken)
        return b"".join(parts)

    def seekable(self) -> bool:
        """Return that it cannot be read twice."""
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Raise: it cannot be read twice."""
        raise io.UnsupportedOperation("seek")

    def close(self) -> None:
        """Do nothing: the body belongs to the request."""


def receive(form: MultipartForm, storage: FileStorage, check: Check, hasher: "hashlib._Hash | None" = None) -> Upload:
    """Keep the file of `form` in `storage` and return it with the other fields, and its digest where one is taken.

    Raises InvalidInput, what `check` raises, and what reading or writing raises; nothing is kept then.
    """
    upload = Upload()
    events = form.events()
    try:
        for event in events:
            assert isinstance(event, PartStart)
            if event.filename is None:
                _take_field(upload, event.name, events)
            else:
                _begin_file(upload, event, check)
                content = _Incoming(events, settings.ARBORETUM_MAX_FILE_BYTES, hasher)
                upload.storage_name = storage.save(new_name(), content)
                upload.bytes = content.taken
    except BaseException:
        if upload.storage_name:
            storage.delete(upload.storage_name)
        raise
    upload.content_digest = hasher.hexdigest() if hasher else ""
    return upload


def _take_field(upload: Upload, name: str, events: Iterator[Event]) -> None:
    if len(upload.fields) >= MOST_FIELDS:
        raise InvalidInput(f"The form must have at most {MOST_FIELDS} fields.")
    if name in upload.fields:
        raise InvalidInput(f"{name} must be given once.")
    value = bytearray()
    while event := next(events, None):
        assert isinstance(event, PartData)
        value += event.data
        if len(value) > LONGEST_FIELD:
            raise InvalidInput(f"{name} must have at most {LONGEST_FIELD} bytes.")
    upload.fields[name] = value.decode(errors="replace")


def _begin_file(upload: Upload, part: PartStart, check: Check) -> None:
    if part.name != "file" or upload.storage_name:
        raise InvalidInput("file must be one part of the form, called 'file'.")
    upload.filename = _safe(part.filename or "")
    check(upload.fields, upload.filename)


def _safe(filename: str) -> str:
    """Return the last part of a path that may be of any system, without what cannot be printed."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-_LONGEST_FILENAME:]
