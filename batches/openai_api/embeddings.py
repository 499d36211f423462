"""`POST /v1/embeddings`: vectors for one text or many, as numbers or as base64.

https://platform.openai.com/docs/api-reference/embeddings
"""

import asyncio
from typing import Any

from django.http.response import HttpResponseBase

from agents.models import Operation
from batches.models.batch import InputKind
from batches.news import FinishedRun

from .access import json_response, serve
from .bodies import embeddings_body
from .running import Asked, Running


async def respond(asked: Asked) -> HttpResponseBase:
    """Return the vectors, in the order of the inputs."""
    ended = await asked.result()
    # Thousands of vectors are many megabytes, with which the loop would keep all others waiting.
    return await asked.label(await asyncio.to_thread(lambda: json_response(_body(asked, ended))))


def _body(asked: Asked, ended: FinishedRun) -> dict[str, Any]:
    is_base64 = asked.body.get("encoding_format") == "base64"
    return embeddings_body(asked.model, ended, asked.extension(ended), is_base64=is_base64)


embeddings = serve(POST=Running(InputKind.EMBEDDINGS, Operation.EMBEDDINGS, respond))
