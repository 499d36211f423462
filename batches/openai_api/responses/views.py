"""`/v1/responses/...`: responses that are kept are asked for again, streamed on, cancelled and deleted.

https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from batches.openai_api.access import json_response, needs, serve
from batches.openai_api.streaming import SILENCE_SECONDS, News, event_stream, told
from batches.waiting import follow
from credentials.api.callers import Caller
from credentials.api.threads import in_database
from workers.errors import InvalidInput

from .create import create
from .listing import listed_items, page_of
from .stored import StoredResponse, cancel_response, delete_response, find_response


@needs("runs:read")
async def retrieve(request: HttpRequest, caller: Caller, name: str) -> HttpResponseBase:
    """Answer with a response, or with its events, where it is streamed."""
    found = await in_database(find_response, caller.user, name)
    if request.GET.get("stream") != "true":
        return json_response(found.body())
    if not found.request.get("stream"):
        raise InvalidInput("stream must not be true: the response was not created as a stream")
    return event_stream(told(found.frame.events(_after(request)), _news(found)))


@needs("runs:write")
def delete(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    """Delete a response."""
    delete_response(caller.user, name)
    return json_response({"id": name, "object": "response", "deleted": True})


@needs("runs:write")
def cancel(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    """Cancel a response, and answer with it; one that has ended stays as it is."""
    return json_response(cancel_response(caller.user, name).body())


@needs("runs:read")
def list_input_items(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    """Answer with a page of what the request had as its input."""
    found = find_response(caller.user, name)
    return json_response(page_of(listed_items(found.run.pk, found.request), request.GET.dict()))


responses = serve(POST=create)
response = serve(GET=retrieve, DELETE=delete)
response_cancel = serve(POST=cancel)
response_input_items = serve(GET=list_input_items)


async def _news(found: StoredResponse) -> AsyncGenerator[News, None]:
    """Yield what happens from its beginning on; of one that has ended the end alone, which holds everything."""
    ended = found.finished()
    if ended is not None:
        yield ended
        return
    async with aclosing(follow(found.run.pk, silence=SILENCE_SECONDS)) as news:
        async for one in news:
            yield one


def _after(request: HttpRequest) -> int:
    given = request.GET.get("starting_after", "-1")
    if given != "-1" and not (given.isascii() and given.isdigit() and len(given) < 10):
        raise InvalidInput("starting_after must be the sequence_number of an event")
    return int(given)
