"""Validation of what people give, with errors that name the field."""

from collections.abc import Collection
from urllib.parse import urlsplit

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from workers.errors import InvalidInput

LONGEST_KEY = 4096
LONGEST_URL = 500


def error_text(error: ValidationError) -> str:
    """Return the messages of `error` on one line, each after the name of its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return "; ".join(
        " ".join(messages) if field == NON_FIELD_ERRORS else f"{field}: {' '.join(messages)}"
        for field, messages in error.message_dict.items()
    )


def check_instance(instance: models.Model, *, exclude: Collection[str] = ()) -> None:
    """Validate `instance` as a form would. Raises InvalidInput that names each wrong field and what is allowed."""
    try:
        instance.full_clean(exclude=set(exclude))
    except ValidationError as error:
        taken = [name for name, errors in error.error_dict.items() if [it.code for it in errors] == ["unique"]]
        if taken and len(taken) == len(error.error_dict):
            told = "; ".join(f"{name}: {getattr(instance, name)!r} already exists, choose another" for name in taken)
            raise InvalidInput(told) from None
        raise InvalidInput(error_text(error)) from None


def check_base_url(url: str) -> str:
    """Return `url` without a closing slash. Raises InvalidInput unless it is a plain http or https address.

    Names without a dot pass (a service of a compose file). A user name or password would stand in the clear in the
    database and in logs; a query or a fragment would cut off the path that a provider's client appends.
    """
    allowed = "base_url: must be like https://host:port/path, without user name, query or fragment"
    if len(url) > LONGEST_URL:
        raise InvalidInput(f"base_url: at most {LONGEST_URL} characters are allowed")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput(allowed)
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise InvalidInput(allowed) from None
    if not has_host or parts.scheme not in ("http", "https") or "@" in parts.netloc or "?" in url or "#" in url:
        raise InvalidInput(allowed)
    return url.rstrip("/")


def check_key(key: str) -> str:
    """Return the provider key without surrounding white space. Raises InvalidInput, which never repeats the key."""
    key = key.strip()
    # It travels in an HTTP header (RFC 9110, 5.5: visible ASCII).
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput("key: only visible ASCII characters are allowed")
    if len(key) > LONGEST_KEY:
        raise InvalidInput(f"key: at most {LONGEST_KEY} characters are allowed")
    return key
