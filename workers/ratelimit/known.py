"""Which buckets the limiter knows: those that were used in the last hour."""

from workers.redis import connection

from .keys import bucket_key
from .types import Bucket

_SCAN_COUNT = 500


def known_buckets() -> set[Bucket]:
    """Return every bucket that Redis knows. A scan of all keys, for people's questions. Raises redis.RedisError."""
    prefix = bucket_key(Bucket(0, "")).removesuffix("0:")
    keys = connection().scan_iter(match=f"{prefix}*", count=_SCAN_COUNT)
    return {_bucket(key.decode().removeprefix(prefix)) for key in keys}


def _bucket(text: str) -> Bucket:
    credential, _, model = text.partition(":")
    return Bucket(int(credential), model)
