"""Files as their users see them: found by the ids of the API."""

from collections.abc import Iterator
from typing import Protocol

from batches.models import File, FileQuerySet
from batches.openai_api.batch.files import find_batch_file
from credentials.models import User
from workers.errors import NotFound

from .services import delete_file
from .storage import file_storage

_START = "file-"
_LONGEST_NUMBER = 18


class NoSuchFile(NotFound):
    """There is no such file, or not for this user."""

    def __init__(self, public_id: str) -> None:
        super().__init__(f"No such File object: {public_id}")


class FileObject(Protocol):
    """What an id of the API leads to: an upload, or what a batch has written."""

    @property
    def public_id(self) -> str:
        """The id."""

    @property
    def size(self) -> int | None:
        """The number of its bytes; None where it is known only when all were written."""

    @property
    def filename(self) -> str:
        """The name to keep it under."""

    def as_json(self) -> dict[str, object]:
        """Return OpenAI's file object."""

    def open_chunks(self) -> Iterator[bytes]:
        """Yield the content. Raises FileNotFoundError where it is gone."""

    def delete(self) -> None:
        """Delete it. Raises InvalidInput where that is not allowed."""


class StoredFile:
    """An upload."""

    def __init__(self, file: File) -> None:
        """Take its row."""
        self.file = file
        self.public_id = file.public_id
        self.size: int | None = file.bytes
        self.filename = file.filename

    def as_json(self) -> dict[str, object]:
        """Return OpenAI's file object (openai/types/file_object.py)."""
        file = self.file
        return {
            "id": file.public_id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": int(file.created_at.timestamp()),
            "expires_at": int(file.expires_at.timestamp()) if file.expires_at else None,
            "filename": file.filename,
            "purpose": file.purpose,
            "status": file.status,
            "status_details": file.status_details,
        }

    def open_chunks(self) -> Iterator[bytes]:
        """Yield the content. Raises FileNotFoundError where it is gone."""
        return file_storage().chunks(self.file.storage_name)

    def delete(self) -> None:
        """Delete it; a batch that still has to read it can."""
        delete_file(self.file)


def find_file(user: User, public_id: str) -> FileObject:
    """Return what `public_id` leads to. Raises NoSuchFile."""
    return find_batch_file(user, public_id) or StoredFile(find_upload(user, public_id))


def find_upload(user: User, public_id: str) -> File:
    """Return the upload `public_id`. Raises NoSuchFile where `user` sees none of that id."""
    number = public_id.removeprefix(_START)
    if public_id.startswith(_START) and number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER:
        file = _visible(user).filter(pk=int(number)).first()
        if file is not None:
            return file
    raise NoSuchFile(public_id)


def _visible(user: User) -> FileQuerySet:
    return File.objects.visible_to(user).available()
