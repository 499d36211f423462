"""Lifting blocks before their time: somebody knows better than what the provider told."""

import json

from workers.redis import connection

from .keys import BLOCKS, bucket_key, credential_key
from .types import Bucket

_FIELDS = ("blocked_until", "blocked_reason", "block_told")
_SCAN_COUNT = 500


def lift_blocks(credential_id: int, model: str | None = None) -> bool:
    """Forget what blocks a credential and all its models, or `model` alone, and have every process open its gates.

    Returns whether anything was blocked. A block of the whole credential goes on holding a single model that is
    lifted. Raises redis.RedisError.
    """
    if model is None:
        found = connection().scan_iter(match=f"{bucket_key(Bucket(credential_id, ''))}*", count=_SCAN_COUNT)
        keys = [credential_key(credential_id), *(key.decode() for key in found)]
    else:
        keys = [bucket_key(Bucket(credential_id, model))]
    with connection().pipeline() as pipe:
        for key in keys:
            pipe.hdel(key, *_FIELDS)
        # A block of 0 seconds: it is over.
        pipe.publish(BLOCKS, json.dumps([credential_id, model, 0.0]))
        *removed, _ = pipe.execute()
    return any(removed)
