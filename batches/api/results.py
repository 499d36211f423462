"""Routes of results: pages, one row, summaries, groups, exports, comparisons."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query

from batches.downloads import download
from batches.manager import BatchManager
from batches.models import Batch
from batches.results import FORMATS, BatchResults
from batches.results.comparison import Comparison
from credentials.api.callers import Caller
from credentials.api.native import Routes, json_response
from workers.errors import NotFound

from .batches import READ, RELATED
from .batches_given import BatchId, Index
from .batches_shown import SummaryShown
from .results_given import Compared, ExportWanted, PairsWanted, Question, ResultsWanted
from .results_shown import ComparisonShown, Groups, Pairs, PairShown, Record, Records

routes = Routes("Results")
_ONE = "/batches/{batch_id}"
_FILES = {
    "responses": {
        200: {
            "content": {format.media_type.split(";")[0]: {"schema": {"type": "string"}} for format in FORMATS.values()}
        }
    }
}


@routes.get(_ONE + "/results", scopes=READ, shows=Records, summary="List results")
def list_results(caller: Caller, batch_id: BatchId, wanted: Query[ResultsWanted]) -> HttpResponse:
    """Show results in the order of the input, also of a batch that runs."""
    results = BatchResults(_get(caller, batch_id))
    page = results.page(wanted.cursor, wanted.limit, wanted.status, wanted.code, where=wanted.where)
    total = results.count(wanted.status, wanted.code, where=wanted.where) if wanted.count else None
    # Records are plain JSON, and may be many: they need no second look.
    return json_response({"data": page.records, "next": page.next_after, "total": total})


@routes.get(_ONE + "/results/{index}", scopes=READ, shows=Record, summary="Get a row's result")
def get_result(caller: Caller, batch_id: BatchId, index: Index) -> HttpResponse:
    """Show one row's result."""
    found = BatchResults(_get(caller, batch_id)).page(index - 1, 1, where=f"index={index}").records
    if not found:
        raise NotFound(f"Batch {batch_id} has no row {index}.")
    return json_response(found[0])


@routes.get(_ONE + "/summary", scopes=READ, shows=SummaryShown, summary="Get a batch's summary", takes_long=True)
def get_batch_summary(caller: Caller, batch_id: BatchId) -> SummaryShown:
    """Show what a batch came to, under way or ended. The latency reads all rows; `GET /batches/{id}` reads none."""
    batch = _get(caller, batch_id)
    return SummaryShown.of_summary(batch, BatchResults(batch).summary())


@routes.get(_ONE + "/groups", scopes=READ, shows=Groups, summary="Group results", takes_long=True)
def group_results(caller: Caller, batch_id: BatchId, asked: Query[Question]) -> Groups:
    """Tell what rows come to by group: by error code, by a field of the answer, by latency. Reads all rows."""
    results = BatchResults(_get(caller, batch_id))
    return Groups.of(results.aggregate(asked.by, asked.measure, asked.where, asked.limit))


@routes.get(_ONE + "/export", scopes=READ, shows=None, summary="Export results", extra=_FILES)
def export_results(
    caller: Caller, request: HttpRequest, batch_id: BatchId, wanted: Query[ExportWanted]
) -> HttpResponseBase:
    """Send the results so far as a file, in the order of the input, while they are read: memory stays flat."""
    batch = _get(caller, batch_id)
    parts = BatchResults(batch).stream(wanted.format, state=wanted.status, code=wanted.code, where=wanted.where)
    return download(request, parts, f"batch-{batch.pk}.{wanted.format}", FORMATS[wanted.format].media_type)


@routes.get(_ONE + "/comparison", scopes=READ, shows=ComparisonShown, summary="Compare two batches", takes_long=True)
def compare_batches(caller: Caller, batch_id: BatchId, asked: Query[Compared]) -> ComparisonShown:
    """Count the pairs of rows of two batches that are equal, and those that differ. Reads all rows."""
    return ComparisonShown.of(_comparison(caller, batch_id, asked).summary())


@routes.get(
    _ONE + "/comparison/rows", scopes=READ, shows=Pairs, summary="Compare the rows of two batches", takes_long=True
)
def list_compared_rows(caller: Caller, batch_id: BatchId, asked: Query[PairsWanted]) -> Pairs:
    """Show the pairs of rows of two batches, in the order of the first."""
    pairs, after = _comparison(caller, batch_id, asked).page(asked.cursor, asked.limit, asked.only)
    return Pairs(data=[PairShown.of(pair) for pair in pairs], next=after)


def _comparison(caller: Caller, batch_id: int, asked: Compared) -> Comparison:
    return Comparison(_get(caller, batch_id), _get(caller, asked.other), asked.on)


def _get(caller: Caller, batch_id: int) -> Batch:
    batch = Batch.objects.visible_to(caller.user).select_related(*RELATED).filter(pk=batch_id).first()
    return batch or BatchManager(caller.user).get(batch_id)
