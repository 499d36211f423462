"""Routes of batches: create, list, look at, and the verbs."""

from pathlib import Path

from django.http import HttpRequest
from ninja import Query

from agents.selectors import get_agent, get_version, parse_reference
from batches.manager import BatchManager
from batches.models import Batch, BatchQuerySet
from batches.states import BatchState, Priority
from credentials.api.callers import Caller
from credentials.api.native import Page, Routes, json_response, page_of
from credentials.api.once import Slot, slot_of

from .batches_given import (
    SORTING,
    BatchBody,
    BatchFilters,
    BatchForm,
    BatchId,
    Metadata,
    NewBatch,
    Pilot,
    Reason,
    RowsToRetry,
    Share,
)
from .batches_shown import BatchShown, Retried
from .bodies import form_or_json
from .uploads import is_multipart, read_form, read_json, source_path, upload_path

routes = Routes("Batches")
READ, WRITE = "batches:read", "batches:write"
_ONE = "/batches/{batch_id}"
RELATED = ("agent_version__agent", "agent_version__credential", "owner")


@routes.post(
    "/batches",
    scopes=WRITE,
    shows=BatchShown,
    status=201,
    in_transaction=False,
    summary="Create a batch",
    takes_long=True,
    extra=form_or_json(BatchForm, BatchBody),
)
def create_batch(caller: Caller, request: HttpRequest) -> BatchShown:
    """Create a batch over a file (multipart/form-data), rows within the body (JSON, at most 10,000), or a stored file.

    All of the input is checked first: nothing is created where a row is bad, unless bad rows are to be left out. The
    answer comes when all rows are stored.
    """
    if is_multipart(request):
        form, upload = read_form(request, BatchForm)
        with upload_path(upload, form.format) as path:
            return _created(caller, form, path, form.metadata, slot_of(request))
    body = read_json(request, BatchBody)
    with source_path(caller.user, body) as path:
        return _created(caller, body, path, body.metadata, slot_of(request))


@routes.get("/batches", scopes=READ, shows=Page[BatchShown], summary="List batches")
def list_batches(caller: Caller, filters: Query[BatchFilters]) -> Page[BatchShown]:
    """List the batches that the user may see, the latest first."""
    batches = _visible(caller)
    if filters.state is not None:
        batches = batches.filter(state=filters.state)
    if filters.q:
        batches = batches.filter(name__icontains=filters.q)
    if filters.agent is not None:
        batches = _of_agent(caller, batches, filters.agent)
    return page_of(batches, filters, SORTING.order(filters.sort), BatchShown.of, kind="batches")


@routes.get(_ONE, scopes=READ, shows=BatchShown, summary="Get a batch")
def get_batch(caller: Caller, batch_id: BatchId) -> BatchShown:
    """Show a batch; its counts are live."""
    return _shown(caller, batch_id)


@routes.patch(_ONE, scopes=WRITE, shows=BatchShown, summary="Change a batch's share")
def change_batch(caller: Caller, batch_id: BatchId, share: Share) -> BatchShown:
    """Change what share of the workers a batch gets, at any time until it has ended."""
    manager = BatchManager(caller.user)
    priority = None if share.priority is None else Priority[share.priority.upper()]
    manager.change(manager.get(batch_id), priority=priority, weight=share.weight)
    return _shown(caller, batch_id)


@routes.post(_ONE + "/start", scopes=WRITE, shows=BatchShown, summary="Start a batch")
def start_batch(caller: Caller, batch_id: BatchId) -> BatchShown:
    """Start a batch that is ready."""
    manager = BatchManager(caller.user)
    manager.start(manager.get(batch_id))
    return _shown(caller, batch_id)


@routes.post(
    _ONE + "/pilot", scopes=WRITE, shows=BatchShown, in_transaction=False, summary="Run a pilot", takes_long=True
)
def pilot_batch(caller: Caller, batch_id: BatchId, pilot: Pilot) -> BatchShown:
    """Run some rows of a ready batch first, short and long prompts among them; then the batch is paused.

    `GET /batches/{id}/estimate` tells then what all rows come to; `resume` runs the rest.
    """
    manager = BatchManager(caller.user)
    manager.pilot(manager.get(batch_id), pilot.rows)
    return _shown(caller, batch_id)


@routes.post(_ONE + "/pause", scopes=WRITE, shows=BatchShown, summary="Pause a batch")
def pause_batch(caller: Caller, batch_id: BatchId, given: Reason | None = None) -> BatchShown:
    """Start no more rows of a batch; calls in flight end and are kept."""
    manager = BatchManager(caller.user)
    manager.pause(manager.get(batch_id), reason=given.reason if given else "")
    return _shown(caller, batch_id)


@routes.post(_ONE + "/resume", scopes=WRITE, shows=BatchShown, summary="Resume a batch")
def resume_batch(caller: Caller, batch_id: BatchId) -> BatchShown:
    """Go on with a paused batch, or start a ready one."""
    manager = BatchManager(caller.user)
    batch = manager.get(batch_id)
    if batch.state == BatchState.READY:
        manager.start(batch)
    else:
        manager.resume(batch)
    return _shown(caller, batch_id)


@routes.post(
    _ONE + "/cancel", scopes=WRITE, shows=BatchShown, in_transaction=False, summary="Cancel a batch", takes_long=True
)
def cancel_batch(caller: Caller, batch_id: BatchId) -> BatchShown:
    """End a batch: what has not run is cancelled, calls in flight are cut, finished rows stay."""
    manager = BatchManager(caller.user)
    manager.cancel(manager.get(batch_id))
    return _shown(caller, batch_id)


@routes.post(_ONE + "/retry", scopes=WRITE, shows=Retried, summary="Run failed rows again", takes_long=True)
def retry_batch(caller: Caller, batch_id: BatchId, which: RowsToRetry | None = None) -> Retried:
    """Run failed rows again: all, or those chosen. What earlier attempts cost is kept."""
    chosen = which or RowsToRetry.model_validate({})
    manager = BatchManager(caller.user)
    batch = manager.get(batch_id)
    version = None if chosen.agent is None else get_version(caller.user, chosen.agent)
    retried = manager.retry(batch, codes=chosen.codes, indexes=chosen.indexes, version=version)
    return Retried(**_shown(caller, batch_id).model_dump(), retried=retried)


def _created(caller: Caller, new: NewBatch, path: Path, metadata: Metadata, slot: Slot) -> BatchShown:
    """Create a batch. As it becomes ready it is started, and the answer stored for its key: all or nothing."""
    manager = BatchManager(caller.user)
    shown: list[BatchShown] = []

    def on_ready(batch: Batch) -> None:
        if new.start:
            manager.start(batch)
        shown.append(_shown(caller, batch.pk))
        slot.settle(json_response(shown[-1], 201))

    manager.create(get_version(caller.user, new.agent), path, new.options(metadata), on_ready=on_ready)
    return shown[-1]


def _visible(caller: Caller) -> BatchQuerySet:
    return Batch.objects.visible_to(caller.user).select_related(*RELATED)


def _shown(caller: Caller, batch_id: int) -> BatchShown:
    batch = _visible(caller).filter(pk=batch_id).first()
    # Raises where there is none.
    return BatchShown.of(batch or BatchManager(caller.user).get(batch_id))


def _of_agent(caller: Caller, batches: BatchQuerySet, reference: str) -> BatchQuerySet:
    wanted = parse_reference(reference)
    batches = batches.filter(agent_version__agent=get_agent(caller.user, wanted.slug))
    return batches.filter(agent_version__number=wanted.number) if wanted.number else batches
