"""Encryption of provider keys at rest (MultiFernet): the first key encrypts, every key decrypts."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# Of a shorter key four characters would say too much.
SHORTEST_KEY_SHOWN = 12
HOW_TO_MAKE_A_KEY = (
    'Make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


class DecryptionFailed(RuntimeError):
    """No configured encryption key opens the stored value."""


def key_id(key: str) -> str:
    """Return the name under which rows remember an encryption key: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def current_key_id() -> str:
    """Return the id of the key that encrypts. Raises ImproperlyConfigured."""
    _fernet(_keys())
    return key_id(_keys()[0])


def encrypt(text: str) -> tuple[bytes, str]:
    """Return `text` encrypted with the first key, and that key's id. Raises ImproperlyConfigured."""
    keys = _keys()
    return _fernet(keys).encrypt(text.encode()), key_id(keys[0])


def decrypt(stored: bytes) -> str:
    """Return the text in `stored`.

    Raises DecryptionFailed where no configured key opens it, ImproperlyConfigured where a key is malformed or none is.
    """
    try:
        return _fernet(_keys()).decrypt(stored).decode()
    except InvalidToken:
        raise DecryptionFailed(
            "The stored key cannot be decrypted: ARBORETUM_ENCRYPTION_KEYS lacks the key it was encrypted with."
        ) from None


def malformed_keys(keys: Sequence[str]) -> list[int]:
    """Return the places (from 1) of the keys that are not Fernet keys: 32 bytes in URL-safe base64."""
    return [place for place, key in enumerate(keys, 1) if not _is_key(key)]


def _is_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _keys() -> tuple[str, ...]:
    return tuple(settings.ARBORETUM_ENCRYPTION_KEYS)


# By the keys themselves, so that a change of settings counts at once; building a Fernet costs more than decrypting.
@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured(f"ARBORETUM_ENCRYPTION_KEYS is not set. {HOW_TO_MAKE_A_KEY}")
    if malformed := malformed_keys(keys):
        raise ImproperlyConfigured(f"ARBORETUM_ENCRYPTION_KEYS: key {malformed[0]} of {len(keys)} is malformed.")
    return MultiFernet([Fernet(key) for key in keys])
