"""Where the embedded servers keep their socket and data."""

import hashlib
import os
import tempfile
from pathlib import Path

# A Unix socket's address holds 108 bytes with the closing zero (unix(7), sun_path).
LONGEST_SOCKET_PATH = 107


def socket_path(data_dir: Path, relative: str) -> Path:
    """Return where the socket `relative` of `data_dir` lies.

    That is in the data directory; where the path is too long for a socket, in a private folder of the temporary
    directory whose name follows from the data directory and the user.
    """
    path = data_dir / relative
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"arboretum-{os.getuid()}-{digest}" / path.name


def valkey_socket(data_dir: Path) -> Path:
    """Return the socket of the embedded Valkey of `data_dir`."""
    return socket_path(data_dir, "valkey/valkey.sock")


def flower_socket(data_dir: Path) -> Path:
    """Return the socket of the Flower of `data_dir`."""
    return socket_path(data_dir, "flower.sock")


def valkey_url(data_dir: Path) -> str:
    """Return the Redis URL of the embedded Valkey of `data_dir`."""
    return f"unix://{valkey_socket(data_dir)}"
