"""`POST /v1/responses`: a response is a run, executed by workers; in the background it is asked for later.

https://platform.openai.com/docs/api-reference/responses/create
"""

from django.http.response import HttpResponseBase

from agents.models import Operation
from batches.ids import single_run_seconds
from batches.models.batch import InputKind
from batches.openai_api.access import json_response
from batches.openai_api.errors import ApiError, missing_parameter
from batches.openai_api.running import Asked, Body, Running
from batches.openai_api.streaming import SILENCE_SECONDS, event_stream, stream_run, told
from batches.states import RunState
from batches.waiting import follow

from .frame import Frame
from .stored import start_response


def check(request: Body) -> None:
    """Raise ApiError where there is nothing to answer."""
    if request.get("input") is None:
        raise missing_parameter("input")


async def respond(asked: Asked) -> HttpResponseBase:
    """Return the response, whole, in the background, or as a stream. Raises ApiError where the run failed."""
    try:
        return await (_in_background(asked) if asked.body.get("background") else _waited_for(asked))
    except ApiError as error:
        if error.param == "messages":
            # The chat's name of it.
            error.param = "input"
        raise


async def _waited_for(asked: Asked) -> HttpResponseBase:
    if asked.body.get("stream"):
        return await stream_run(asked, _frame(asked).events())
    ended = await asked.result()
    return await asked.label(json_response(_frame(asked).body(ended.state, ended)))


async def _in_background(asked: Asked) -> HttpResponseBase:
    if not asked.body.get("stream"):
        return await asked.label(json_response(_frame(asked).body(RunState.QUEUED, None)))
    news = follow(asked.run.pk, silence=SILENCE_SECONDS)
    return await asked.label(event_stream(told(_frame(asked).events(), news)))


def _frame(asked: Asked) -> Frame:
    return Frame(asked.run.pk, asked.body, asked.version, single_run_seconds(asked.run.pk))


create = Running(InputKind.RESPONSES, Operation.CHAT, respond, check, start_response)
