"""The columns of a row as `Run.input_json` holds them."""

from typing import Any

import orjson

from workers.errors import InvalidInput
from workers.json_values import has_nul

from .types import NUL_REASON


def canonical_json(columns: dict[str, Any]) -> str:
    """Return a row's columns as compact JSON, keys in their order: what `Run.input_json` holds.

    Raises InvalidInput for what JSON or the database cannot hold: NaN, integers over 64 bits, NUL characters, halves
    of surrogate pairs, other types.
    """
    try:
        raw = orjson.dumps(columns)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InvalidInput(f"The input cannot be written as JSON: {error}.") from None
    if has_nul(raw):
        raise InvalidInput(f"The input {NUL_REASON}.")
    if b"null" in raw and orjson.loads(raw) != columns:
        raise InvalidInput("The input holds NaN or Infinity, which JSON does not know.")
    return raw.decode()
