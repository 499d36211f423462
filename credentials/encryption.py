"""Encryption of provider keys at rest (MultiFernet): the first key encrypts, every key decrypts."""

import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

# Of a shorter key four characters would say too much.
SHORTEST_KEY_SHOWN = 12


class DecryptionFailed(RuntimeError):
    """No configured encryption key opens the stored value."""


def key_id(key: str) -> str:
    """Return the name under which rows remember an encryption key: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def encrypt(text: str) -> tuple[bytes, str]:
    """Return `text` encrypted with the first key, and that key's id."""
    first = settings.ARBORETUM_ENCRYPTION_KEYS[0]
    return Fernet(first).encrypt(text.encode()), key_id(first)


def decrypt(stored: bytes) -> str:
    """Return the text in `stored`. Raises DecryptionFailed where no configured key opens it."""
    try:
        return MultiFernet([Fernet(key) for key in settings.ARBORETUM_ENCRYPTION_KEYS]).decrypt(stored).decode()
    except InvalidToken:
        raise DecryptionFailed(
            "The stored key cannot be decrypted: ARBORETUM_ENCRYPTION_KEYS lacks the key it was encrypted with."
        ) from None
