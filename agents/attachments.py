"""Images and files of a row: the columns that hold them, as parts of the message.

A value is a `data:` URL that holds the file, an https URL that the provider fetches, or a list of these; empty is none.
Nothing is fetched here, and no file of this machine is read.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from agents.llm.types import FilePart, ImagePart, Part
from workers.errors import InvalidInput

MOST_ATTACHMENTS = 20
# What a row may carry in one attachment, as the URL's text; providers take some 20 to 50 MB in a whole request.
MAX_URL_CHARACTERS = 32 * 1024 * 1024
_DATA_URL = re.compile(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+)(?:;[a-z0-9=._-]+)*;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
_ALLOWED = "a data: URL in base64 with its media type, or an https URL"
_FILE_ENDINGS = {".pdf": "file.pdf", ".txt": "file.txt", ".csv": "file.csv", ".json": "file.json", ".md": "file.md"}


def check_columns(attachments: Sequence[str], available: Collection[str]) -> None:
    """Raise InvalidInput naming the first of the columns `attachments` that is none of the `available` ones."""
    for name in attachments:
        if name not in available:
            raise InvalidInput(f"attachments: there is no column '{name}'; available: {', '.join(sorted(available))}")


def attached_parts(attachments: Sequence[str], columns: Mapping[str, Any]) -> list[Part]:
    """Return the images and files in the columns `attachments` of a row. Raises InvalidInput naming the column."""
    check_columns(attachments, columns)
    found: list[Part] = []
    for name in attachments:
        value = columns[name]
        found += [url_part(url, f"column '{name}'") for url in (value if isinstance(value, list) else [value]) if url]
    if len(found) > MOST_ATTACHMENTS:
        raise InvalidInput(f"the row has {len(found)} attachments; at most {MOST_ATTACHMENTS} are allowed")
    return found


def url_part(url: Any, place: str, *, name: str = "", detail: str = "") -> ImagePart | FilePart:
    """Return the image or the file that `url` is. Raises InvalidInput that begins with `place`."""
    check_url(url, place)
    media_type = media_type_of(url)
    if media_type.startswith("image/"):
        return ImagePart(url, detail)
    return FilePart(url, name or _FILE_ENDINGS.get(_ending(url), f"file.{media_type.rpartition('/')[2] or 'bin'}"))


def check_url(url: Any, place: str) -> None:
    """Raise InvalidInput, beginning with `place`, unless `url` is one that a part may have."""
    if not isinstance(url, str):
        raise InvalidInput(f"{place} must be {_ALLOWED}, not {type(url).__name__}")
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidInput(f"{place} has {len(url)} characters; at most {MAX_URL_CHARACTERS} are allowed")
    head = _DATA_URL.match(url, 0, 300)
    is_fine = bool(head and _BASE64.match(url, head.end())) if url[:5].lower() == "data:" else _is_https(url)
    if not is_fine:
        raise InvalidInput(f"{place} must be {_ALLOWED}, not {url[:40]!r}")


def media_type_of(url: str) -> str:
    """Return the media type that a checked URL tells, by its ending where it is fetched: an image, unless that is told.

    Lower case, without parameters.
    """
    head = _DATA_URL.match(url, 0, 300)
    if head:
        return head[1].lower()
    ending = _ending(url)
    return f"application/{ending[1:]}" if ending in _FILE_ENDINGS else "image/*"


def _ending(url: str) -> str:
    return "" if url[:5].lower() == "data:" else PurePosixPath(urlsplit(url).path).suffix.lower()


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return has_host and url.isascii() and url.isprintable() and " " not in url
