"""`POST /v1/chat/completions`: a completion is a run, executed by workers.

https://platform.openai.com/docs/api-reference/chat
"""

from django.http.response import HttpResponseBase

from agents.models import Operation
from batches.models.batch import InputKind

from .access import json_response, serve
from .bodies import completion_body
from .chat_stream import ChatChunks
from .errors import BadRequest
from .running import Asked, Body, Running
from .streaming import stream_run


def check_stream(body: Body) -> None:
    """Raise BadRequest where what a body says of streaming cannot be meant."""
    if not isinstance(body.get("stream"), bool | None):
        raise BadRequest("stream must be true or false", "stream")
    options = body.get("stream_options")
    if options is None:
        return
    if not body.get("stream"):
        raise BadRequest("stream_options may only be given where stream is true", "stream_options")
    if not isinstance(options, dict) or not isinstance(options.get("include_usage"), bool | None):
        raise BadRequest("stream_options must be an object like {'include_usage': true}", "stream_options")


async def respond(asked: Asked) -> HttpResponseBase:
    """Return the completion, or the stream of its pieces."""
    if asked.body.get("stream"):
        return await stream_run(asked, ChatChunks(asked))
    ended = await asked.result()
    body = completion_body(asked.run.pk, asked.created, asked.model, ended, asked.extension(ended))
    return await asked.label(json_response(body))


completions = serve(POST=Running(InputKind.CHAT, Operation.CHAT, respond, check_stream))
