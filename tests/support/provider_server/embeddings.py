"""Embeddings: vectors that follow from the text alone, told in reverse order, as `index` allows."""

from hashlib import blake2b
from typing import Any

import orjson

from .call import Call

DIMENSIONS = 8


def parse_embedding_call(raw: bytes, key: str) -> Call:
    """Return the call in `raw`, its inputs as messages. Raises ValueError where it asks for no embeddings."""
    body = orjson.loads(raw)
    inputs = body.get("input") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
        raise ValueError("input must be a list of texts")
    if body.get("encoding_format") != "float":
        raise ValueError("this server knows encoding_format float alone")
    chat = {"model": body["model"], "messages": [{"role": "user", "content": text} for text in inputs]}
    call = Call.parse(orjson.dumps(chat), key)
    call.body = body
    return call


def embeddings_of(call: Call, size: int) -> bytes:
    """Return the body of the answer."""
    data: list[dict[str, Any]] = [
        {"object": "embedding", "index": index, "embedding": vector_of(text, size)}
        for index, text in enumerate(call.body["input"])
    ]
    usage = {"prompt_tokens": call.prompt_tokens, "total_tokens": call.prompt_tokens}
    return orjson.dumps({"object": "list", "data": data[::-1], "model": call.body["model"], "usage": usage})


def vector_of(text: str, size: int = DIMENSIONS) -> list[float]:
    """Return the vector that the server gives `text`."""
    return [byte / 255 for byte in blake2b(text.encode(), digest_size=size).digest()]
