"""Parts of a message's content, which a chat names in its own way.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput

_ALLOWED = "input_text, input_image or input_file"


def chat_content(value: Any, place: str) -> str | list[dict[str, Any]]:
    """Return the content of a chat's message: one text where it holds nothing but texts.

    Raises InvalidInput that begins with `place`.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise InvalidInput(f"{place} must be a text, or a list of parts of type {_ALLOWED}")
    parts = [_part(part, f"{place}[{number}]") for number, part in enumerate(value)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: Any, place: str) -> dict[str, Any]:
    match part:
        case {"type": "input_text" | "output_text" | "text" | "summary_text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image"}:
            return _image(part, place)
        case {"type": "input_file"}:
            return _file(part, place)
    raise InvalidInput(f"{place} must be a part of type {_ALLOWED}, or a text of an earlier answer")


def _image(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    url = part.get("image_url")
    if not isinstance(url, str):
        raise InvalidInput(f"{place}.image_url must be a data: URL or an https URL; images by file_id are not known")
    detail = part.get("detail") or "auto"
    # The newest of the details: as closely as can be. A chat knows nothing above `high`.
    return {"type": "image_url", "image_url": {"url": url, "detail": "high" if detail == "original" else detail}}


def _file(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    url = part.get("file_data") or part.get("file_url")
    if not isinstance(url, str):
        raise InvalidInput(f"{place} must be given by file_data or file_url; files by file_id are not known")
    name = part.get("filename")
    file = {"file_data": url, "filename": name} if isinstance(name, str) else {"file_data": url}
    return {"type": "file", "file": file}
