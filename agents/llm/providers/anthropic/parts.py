"""Images and files as content blocks of the Messages API.

https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from agents.llm.http.network import cannot_be_sent
from agents.llm.types import FilePart, ImagePart, Part

_IMAGE_TYPES = ("image/gif", "image/jpeg", "image/png", "image/webp")
_PDF = "application/pdf"
_TEXT_TYPES = ("application/json", "application/xml", "application/yaml")


@dataclass(frozen=True, slots=True)
class _Data:
    """What a `data:` URL (RFC 2397) holds, as it stands there."""

    media_type: str
    is_base64: bool
    text: str

    def as_base64(self) -> str:
        return self.text if self.is_base64 else base64.b64encode(unquote_to_bytes(self.text)).decode()

    def as_text(self) -> str:
        raw = base64.b64decode(self.text, validate=True) if self.is_base64 else unquote_to_bytes(self.text)
        return raw.decode()


def content_block(part: Part) -> dict[str, Any] | None:
    """Return the block of `part`, None for an empty text, which the API refuses.

    Raises WorkError `invalid_request` for a kind of image or file that it does not take.
    """
    if isinstance(part, str):
        return {"type": "text", "text": part} if part else None
    return _image(part) if isinstance(part, ImagePart) else _file(part)


def _image(part: ImagePart) -> dict[str, Any]:
    data = _data(part.url)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    if data.media_type not in _IMAGE_TYPES:
        raise cannot_be_sent(f"an image must be one of {', '.join(_IMAGE_TYPES)}")
    source = {"type": "base64", "media_type": data.media_type, "data": data.as_base64()}
    return {"type": "image", "source": source}


def _file(part: FilePart) -> dict[str, Any]:
    data = _data(part.url)
    if data is None:
        return _document(part, {"type": "url", "url": part.url})
    if data.media_type in _IMAGE_TYPES:
        return _image(ImagePart(part.url))
    if data.media_type == _PDF:
        return _document(part, {"type": "base64", "media_type": _PDF, "data": data.as_base64()})
    if not data.media_type.startswith("text/") and data.media_type not in _TEXT_TYPES:
        raise cannot_be_sent("a file must be a PDF, an image or text in UTF-8")
    try:
        return _document(part, {"type": "text", "media_type": "text/plain", "data": data.as_text()})
    except (UnicodeDecodeError, binascii.Error):
        raise cannot_be_sent("a text file must be in UTF-8") from None


def _document(part: FilePart, source: dict[str, Any]) -> dict[str, Any]:
    return {"type": "document", "source": source, "title": part.name}


def _data(url: str) -> _Data | None:
    if url[:5].lower() != "data:":
        return None
    head, comma, text = url[5:].partition(",")
    if not comma:
        raise cannot_be_sent("a data: URL holds no data")
    media_type, *attributes = (word.strip().lower() for word in head.split(";"))
    # RFC 2397 says what stands for none.
    return _Data(media_type or "text/plain", "base64" in attributes, text)
