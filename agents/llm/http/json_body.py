"""Reads the JSON of an answer."""

from typing import Any

import orjson

from workers.errors import ErrorCode, WorkError

from .messages import clean_message


def parse_json(body: bytes | bytearray | str, content_type: str) -> dict[str, Any]:
    """Return the JSON object in `body`. Raises WorkError `bad_response` where it is none."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        kind = clean_message(content_type.partition(";")[0][:50], "") or "no content type"
        raise WorkError(ErrorCode.BAD_RESPONSE, f"the answer is not valid JSON ({kind})") from None
    if not isinstance(parsed, dict):
        raise WorkError(ErrorCode.BAD_RESPONSE, "the answer is not a JSON object")
    return parsed
