"""Files in a folder of this machine."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.files import File as Content
from django.core.files.storage import FileSystemStorage

from .storage import CHUNK_BYTES, RESERVED_BYTES, NoSpace

# What is still being written ends so.
_HALF = ".part"
_LOOK_EVERY_BYTES = 64 * 1024 * 1024


class LocalFiles(FileSystemStorage):
    """A folder that its owner alone can enter. A file that was saved is there after a power cut."""

    def _save(self, name: str, content: "Content[bytes]") -> str:
        folder = self._folder()
        half = folder / (name + _HALF)
        try:
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                self._write(file, content)
                os.fsync(file.fileno())
            half.rename(folder / name)
            _sync_folder(folder)
        except BaseException:
            half.unlink(missing_ok=True)
            raise
        return name

    def chunks(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on. Raises FileNotFoundError where there is none."""
        with open(self.path(name), "rb", buffering=0) as file:
            file.seek(start)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def names_before(self, moment: datetime) -> Iterator[str]:
        """Yield the names of what was last written before `moment`, half files included."""
        with os.scandir(self._folder()) as entries:
            for entry in entries:
                if datetime.fromtimestamp(entry.stat().st_mtime, UTC) < moment:
                    yield entry.name

    def require_space(self, size: int) -> None:
        """Raise NoSpace where `size` more bytes would not leave RESERVED_BYTES free."""
        if shutil.disk_usage(self._folder()).free < size + RESERVED_BYTES:
            raise NoSpace("There is not enough space for the file.")

    def _write(self, file: Any, content: "Content[bytes]") -> None:
        unchecked = 0
        for chunk in content.chunks():
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
            unchecked += len(chunk)
            if unchecked >= _LOOK_EVERY_BYTES:
                self.require_space(0)
                unchecked = 0

    def _folder(self) -> Path:
        folder = Path(self.location)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def _sync_folder(folder: Path) -> None:
    """Make the folder's own entries last; a file that was synced may still lack its name after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
