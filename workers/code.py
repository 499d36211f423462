"""Which code a process runs: a fingerprint of the product's files, so that a worker of older code can be told."""

import hashlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("arboretum", "workers", "credentials", "agents", "batches", "dashboard")
_SUFFIXES = (".py", ".lua")


def code_fingerprint() -> str:
    """Return 12 hex digits that change with any file of code: names, sizes and contents. Takes some milliseconds."""
    digest = hashlib.sha256()
    for path in sorted(path for name in _PACKAGES for path in (_ROOT / name).rglob("*") if path.suffix in _SUFFIXES):
        digest.update(f"{path.relative_to(_ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


# What this process has loaded, or soon will: files that change later do not change it.
LOADED_CODE = code_fingerprint()
