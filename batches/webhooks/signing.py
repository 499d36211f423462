"""Signatures after Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec, version 1.0.0)."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence

MARK = "whsec_"
# The specification asks for 24 to 64.
SECRET_BYTES = 32


def make_secret() -> str:
    """Return a new secret as its receiver keeps it."""
    return MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(event_id: str, body: bytes, keys: Sequence[str], at: int | None = None) -> Mapping[str, str]:
    """Return the three headers that prove who sent `body`: a signature by each of the secrets `keys`.

    `at` is the time of the attempt in Unix seconds, now where None: receivers refuse old ones, so that nobody who
    listened can send it again.
    """
    moment = str(int(time.time()) if at is None else at)
    content = b".".join((event_id.encode(), moment.encode(), body))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{_signature(key, content)}" for key in keys),
    }


def _signature(key: str, content: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(MARK))
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
