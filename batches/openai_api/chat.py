"""`POST /v1/chat/completions`: a completion is a run, executed by workers.

https://platform.openai.com/docs/api-reference/chat
"""

from typing import Any

from django.http.response import HttpResponseBase

from agents.models import Operation
from batches.models.batch import InputKind
from batches.news import FinishedRun

from .access import json_response, serve
from .chat_stream import ChatChunks
from .errors import BadRequest
from .running import Asked, Body, Running, tool_calls_of, usage_of
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
    return await asked.label(json_response(completion_of(asked, ended)))


def completion_of(asked: Asked, ended: FinishedRun) -> dict[str, Any]:
    """Return the completion of a run that has succeeded."""
    choice = {
        "index": 0,
        "message": _message(ended),
        "logprobs": None,
        "finish_reason": (ended.completion or {}).get("finish_reason", "stop"),
    }
    return {
        "id": f"chatcmpl-{asked.run.pk}",
        "object": "chat.completion",
        "created": asked.created,
        "model": asked.model,
        "choices": [choice],
        "usage": usage_of(ended),
        "arboretum": asked.extension(ended),
    }


def _message(ended: FinishedRun) -> dict[str, Any]:
    calls = tool_calls_of(ended.completion)
    # With calls alone OpenAI's content is null.
    message: dict[str, Any] = {"role": "assistant", "content": ended.output or (None if calls else ""), "refusal": None}
    if calls:
        message["tool_calls"] = calls
    if reasoning := (ended.completion or {}).get("reasoning"):
        message["reasoning_content"] = reasoning
    return message


completions = serve(POST=Running(InputKind.CHAT, Operation.CHAT, respond, check_stream))
