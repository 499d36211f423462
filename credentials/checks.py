"""System checks of the encryption keys. No message holds a part of a key."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from .encryption import HOW_TO_MAKE_A_KEY, malformed_keys

# The tag of the checks of what a deployment sets; they run before every command and at the start of every process.
CONFIGURATION = "configuration"


@register(CONFIGURATION)
def encryption_keys_are_usable(**kwargs: Any) -> list[CheckMessage]:
    """There is an encryption key, and each one is a Fernet key."""
    keys = settings.ARBORETUM_ENCRYPTION_KEYS
    if not keys:
        return [Error("ARBORETUM_ENCRYPTION_KEYS is not set.", hint=HOW_TO_MAKE_A_KEY, id="credentials.E001")]
    return [
        Error(
            f"ARBORETUM_ENCRYPTION_KEYS: key {place} of {len(keys)} is malformed.",
            hint=f"Each is 32 bytes in URL-safe base64, separated by commas. {HOW_TO_MAKE_A_KEY}",
            id="credentials.E002",
        )
        for place in malformed_keys(keys)
    ]
