"""What `POST /v1/batches` may ask for: https://platform.openai.com/docs/api-reference/batch/create."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.values import text_fault
from batches.endpoints import ENDPOINTS
from batches.openai_api.errors import BadRequest, missing_parameter
from batches.windows import window_of

REQUIRED = ("input_file_id", "endpoint", "completion_window")
_KNOWN = frozenset({*REQUIRED, "metadata", "output_expires_after"})
MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
SHORTEST_LIFE, LONGEST_LIFE = 3_600, 2_592_000  # seconds
LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What was asked for, all of it allowed. `output_seconds` is how long the output can be had as a file."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None = None
    output_seconds: int | None = None


def terms_of(body: Mapping[str, Any]) -> BatchTerms:
    """Return what the body of a request asks for. Raises BadRequest and InvalidInput, which name the parameter."""
    for name in REQUIRED:
        if body.get(name) is None:
            raise missing_parameter(name)
    if unknown := [name for name in body if name not in _KNOWN]:
        raise BadRequest(f"Unknown parameter: '{unknown[0][:100]}'.", unknown[0][:100], "unknown_parameter")
    if body["endpoint"] not in list(ENDPOINTS):
        raise BadRequest(f"endpoint must be one of: {', '.join(ENDPOINTS)}.", "endpoint", "invalid_value")
    window_of(body["completion_window"])
    return BatchTerms(
        _file_id(body["input_file_id"]),
        body["endpoint"],
        body["completion_window"],
        _metadata(body.get("metadata")),
        _output_seconds(body.get("output_expires_after")),
    )


def _file_id(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or text_fault(value):
        raise BadRequest("input_file_id must be the id of a file.", "input_file_id", "invalid_value")
    return value


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MOST_PAIRS:
        raise _bad_metadata(f"must be an object of at most {MOST_PAIRS} pairs")
    for key, text in value.items():
        if not key or len(key) > LONGEST_KEY or text_fault(key):
            raise _bad_metadata(f"has a key that is not a text of 1 to {LONGEST_KEY} characters")
        if not isinstance(text, str) or len(text) > LONGEST_VALUE or text_fault(text):
            raise _bad_metadata(f"has a value that is not a text of at most {LONGEST_VALUE} characters, at '{key}'")
    return value


def _bad_metadata(words: str) -> BadRequest:
    return BadRequest(f"metadata {words}.", "metadata", "invalid_value")


def _output_seconds(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("anchor") != "created_at":
        raise _bad_expiry("anchor", "must be created_at")
    seconds = value.get("seconds")
    if type(seconds) is not int or not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise _bad_expiry("seconds", f"must be a whole number from {SHORTEST_LIFE} to {LONGEST_LIFE}")
    return seconds


def _bad_expiry(name: str, words: str) -> BadRequest:
    param = f"output_expires_after.{name}"
    return BadRequest(f"{param} {words}.", param, "invalid_value")
