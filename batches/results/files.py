"""Writes a file whole or not at all."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from workers.errors import InvalidInput


def write_whole(target: Path, parts: Iterable[bytes], *, follow_link: bool = True) -> None:
    """Write `parts` to a file beside `target` and give it that name when all is on disk.

    Whatever goes wrong, what `target` held before stays and no half-written file does. A link is followed, or replaced
    where `follow_link` is false. Raises InvalidInput where the folder is missing, the target is no regular file, or the
    system refuses.
    """
    real = Path(os.path.realpath(target)) if follow_link else target
    if real.exists() and not real.is_file():
        raise InvalidInput(f"{target}: is not a regular file.")
    if not real.parent.is_dir():
        raise InvalidInput(f"{target}: the folder {real.parent} does not exist.")
    draft = real.with_name(f".{real.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        _write(draft, parts)
        if real.exists() and not real.is_symlink():
            draft.chmod(real.stat().st_mode & 0o777)
        draft.replace(real)
    except OSError as error:
        raise InvalidInput(f"{target}: cannot be written ({error.strerror}).") from error
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, parts: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
