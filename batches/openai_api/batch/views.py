"""`/v1/batches` after https://platform.openai.com/docs/api-reference/batch: create, list, retrieve and cancel."""

from django.http import HttpRequest, HttpResponse

from batches.manager import BatchManager
from batches.models import Batch, BatchQuerySet
from batches.openai_api.access import json_response, needs, read_json, serve
from batches.openai_api.errors import ApiError, BadRequest
from credentials.api.callers import Caller
from credentials.api.once import idempotent
from workers.errors import Conflict

from .creating import create_batch
from .ids import batch_pk
from .objects import batch_object
from .terms import terms_of

MOST_LISTED, LISTED = 100, 20


@needs("batches:write")
def create(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Take a batch; its file is read by a worker."""
    with idempotent(request, caller, knows_retries=True) as slot:
        if slot.stored is not None:
            return slot.stored
        return slot.keep(_answer(create_batch(caller.user, terms_of(read_json(request)))))


@needs("batches:read")
def list_all(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Answer with a page of batches, the newest first."""
    limit = _limit(request.GET.get("limit", str(LISTED)))
    found = _batches(caller)
    if after := request.GET.get("after"):
        found = found.filter(pk__lt=_found(caller, after, "after").pk)
    page = list(found.order_by("-id")[: limit + 1])
    data = [batch_object(batch) for batch in page[:limit]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    ends = {"first_id": first, "last_id": last, "has_more": len(page) > limit}
    return json_response({"object": "list", "data": data, **ends})


@needs("batches:read")
def retrieve(request: HttpRequest, caller: Caller, public_id: str) -> HttpResponse:
    """Answer with a batch."""
    return _answer(_found(caller, public_id))


@needs("batches:write")
def cancel(request: HttpRequest, caller: Caller, public_id: str) -> HttpResponse:
    """Cancel a batch; a worker ends its rows."""
    batch = _found(caller, public_id)
    try:
        BatchManager(caller.user).cancel(batch, in_background=True)
    except Conflict:
        if batch.cancelling_at is None:
            message = f"Cannot cancel a batch with status '{batch_object(batch)['status']}'."
            raise BadRequest(message, code="batch_not_cancellable") from None
    return _answer(batch)


batches = serve(GET=list_all, POST=create)
batch = serve(GET=retrieve)
batch_cancel = serve(POST=cancel)


def _answer(batch: Batch) -> HttpResponse:
    return json_response(batch_object(batch))


def _batches(caller: Caller) -> BatchQuerySet:
    mine = Batch.objects.visible_to(caller.user).exclude(endpoint="")
    return mine.select_related("agent_version__agent", "agent_version__credential")


def _found(caller: Caller, public_id: str, param: str = "batch_id") -> Batch:
    pk = batch_pk(public_id)
    batch = None if pk is None else _batches(caller).filter(pk=pk).first()
    if batch is None:
        raise ApiError(404, f"No such Batch object: {public_id[:100]}", param=param)
    return batch


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= number <= MOST_LISTED:
        raise BadRequest(f"limit must be from 1 to {MOST_LISTED}.", "limit")
    return number
