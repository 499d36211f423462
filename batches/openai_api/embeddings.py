"""`POST /v1/embeddings`: vectors for one text or many, as numbers or as base64.

https://platform.openai.com/docs/api-reference/embeddings
"""

import asyncio
import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any

from django.http.response import HttpResponseBase

from agents.models import Operation
from batches.models.batch import InputKind
from batches.news import FinishedRun

from .access import json_response, serve
from .running import Asked, Running


async def respond(asked: Asked) -> HttpResponseBase:
    """Return the vectors, in the order of the inputs."""
    ended = await asked.result()
    # Thousands of vectors are many megabytes, with which the loop would keep all others waiting.
    return await asked.label(await asyncio.to_thread(lambda: json_response(_body(asked, ended))))


def _body(asked: Asked, ended: FinishedRun) -> dict[str, Any]:
    encode: Callable[[Sequence[float]], Any] = _base64 if asked.body.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": place, "embedding": encode(vector)}
        for place, vector in enumerate(ended.parsed or ())
    ]
    return {
        "object": "list",
        "data": data,
        "model": asked.model,
        "usage": {"prompt_tokens": ended.input_tokens, "total_tokens": ended.input_tokens},
        "arboretum": asked.extension(ended),
    }


def _base64(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI packs it: 32-bit floats, the lowest byte first."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


embeddings = serve(POST=Running(InputKind.EMBEDDINGS, Operation.EMBEDDINGS, respond))
