"""Writes the JSON of a request and reads that of an answer."""

from collections.abc import Mapping
from typing import Any

import orjson

from workers.errors import ErrorCode, WorkError

from .messages import clean_message
from .network import cannot_be_sent


def to_json(body: Mapping[str, Any]) -> bytes:
    """Return `body` as JSON. Raises WorkError `invalid_request` where it cannot be written."""
    try:
        return orjson.dumps(body)
    except (TypeError, ValueError) as error:
        # Only the type is told: the text may quote the prompt.
        raise cannot_be_sent(f"{type(error).__name__}: not valid as JSON") from None


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
