"""What a credential must look like before a client is built of it. Imports nothing heavy: agents are checked by it."""

from urllib.parse import urlsplit

from workers.errors import InvalidInput


def check_address_and_key(base_url: str, key: str) -> None:
    """Raise InvalidInput for a base URL that is not http(s), and for a key that no header can carry."""
    if not _is_http(base_url):
        raise InvalidInput("base_url must start with http:// or https:// and name a host")
    if not key.isascii() or not key.isprintable():
        raise InvalidInput("the key must be printable ASCII without line breaks")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
