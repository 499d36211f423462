"""Batches: the list, each with its progress, errors and results, and the results as files."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from batches.downloads import download
from batches.models import Batch
from batches.results import FORMATS, BatchResults
from batches.states import TERMINAL_BATCH_STATES
from dashboard.paging import choice_parameter, number_parameter
from dashboard.selectors import batches as selectors
from workers.errors import ErrorCode


@require_safe
def batch_list(request: HttpRequest) -> HttpResponse:
    """List batches, newest first, a page at a time."""
    state = choice_parameter(request, "state", selectors.BATCH_STATES)
    page = selectors.batch_page(request.user, state=state, before=number_parameter(request, "before"))
    return render(request, "dashboard/batches.html", {"page": page, "state": state, "states": selectors.BATCH_STATES})


@require_safe
def batch_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a batch: facts, progress, errors by code, and a page of its results."""
    batch = _batch(request, pk)
    state = choice_parameter(request, "state", selectors.ROW_STATES)
    code = choice_parameter(request, "code", list(ErrorCode))
    context = {
        "batch": batch,
        "errors": selectors.error_groups(batch),
        "page": selectors.result_page(
            request.user, batch, state=state, code=code, after=number_parameter(request, "after")
        ),
        "state": state,
        "code": code,
        "states": selectors.ROW_STATES,
    }
    return render(request, "dashboard/batch.html", context)


@require_safe
def batch_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the part of the batch's page that changes while it runs, from the batch's row alone."""
    batch = _batch(request, pk)
    response = render(request, "dashboard/partials/batch_progress.html", {"batch": batch, "is_update": True})
    if batch.state in TERMINAL_BATCH_STATES:
        response.headers["HX-Trigger"] = "batch-ended"
    return response


@require_safe
def batch_latency(request: HttpRequest, pk: int) -> HttpResponse:
    """Return latency percentiles, which need every row: asked for apart, after the page is there."""
    batch = _batch(request, pk)
    context = {"batch": batch, "latency": selectors.latency(batch)}
    return render(request, "dashboard/partials/batch_latency.html", context)


@require_safe
def batch_download(request: HttpRequest, pk: int, format: str) -> StreamingHttpResponse:
    """Send the batch's results in input order, as CSV or JSONL."""
    batch = _batch(request, pk)
    filename = f"{slugify(batch.name) or 'batch'}-{batch.pk}.{format}"
    return download(request, BatchResults(batch).stream(format), filename, FORMATS[format].media_type)


def _batch(request: HttpRequest, pk: int) -> Batch:
    return get_object_or_404(selectors.visible_batches(request.user), pk=pk)
