"""Where the bytes of files lie: what every storage of files can do, and the one in use."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, cast

from django.core.files import File as Content
from django.core.files.storage import storages

CHUNK_BYTES = 1024 * 1024
# Left to the database and to Valkey, which lie on the same disk by default, in bytes.
RESERVED_BYTES = 256 * 1024 * 1024


class NoSpace(OSError):
    """The storage cannot take the file; nothing of it was kept."""


class FileStorage(Protocol):
    """What Django's storage of the alias `files` can do beyond Django's own."""

    def save(self, name: str, content: "Content[bytes]") -> str:
        """Keep what `content` yields, for good when this returns, and return its name. All or nothing."""

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""

    def chunks(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on. Raises FileNotFoundError where there is none."""

    def names_before(self, moment: datetime) -> Iterator[str]:
        """Yield the names of what was last written before `moment`, half files included."""

    def require_space(self, size: int) -> None:
        """Raise NoSpace where `size` more bytes would not fit."""


def file_storage() -> FileStorage:
    """Return the storage in use."""
    return cast(FileStorage, storages["files"])


def new_name() -> str:
    """Return a name that no file has. Nothing of what the client said goes into it."""
    return uuid.uuid4().hex
