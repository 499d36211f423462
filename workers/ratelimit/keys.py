"""The names of the limiter's keys and channel in Redis."""

from .types import Bucket

BLOCKS = "arboretum:limit:blocks"
# Sorted set of the live worker processes; `workers/presence.py` keeps it.
WORKERS = "arboretum:workers"
_PREFIX = "arboretum:limit:"


def bucket_key(bucket: Bucket) -> str:
    """Hash: all that is known of a bucket."""
    return f"{_PREFIX}bucket:{bucket.credential}:{bucket.model}"


def processes_key(bucket: Bucket) -> str:
    """Hash: process -> what it holds and wants of a bucket."""
    return f"{_PREFIX}processes:{bucket.credential}:{bucket.model}"


def window_key(bucket: Bucket) -> str:
    """List: the tokens started in the last minute, in slices."""
    return f"{_PREFIX}window:{bucket.credential}:{bucket.model}"


def credential_key(credential: int) -> str:
    """Hash: until when no model of a credential may be called."""
    return f"{_PREFIX}credential:{credential}"
