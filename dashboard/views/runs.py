"""Runs: the single ones as a list, each with its input, output, attempts and events."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from batches.models import Run
from dashboard.paging import choice_parameter, number_parameter
from dashboard.selectors import runs as selectors
from dashboard.selectors.batches import RUN_STATES


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """List the runs without a batch, newest first, a page at a time."""
    state = choice_parameter(request, "state", RUN_STATES)
    page = selectors.single_run_page(request.user, state=state, before=number_parameter(request, "before"))
    return render(request, "dashboard/runs.html", {"page": page, "state": state, "states": RUN_STATES})


@require_safe
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a run."""
    run = get_object_or_404(selectors.visible_runs(request.user), pk=pk)
    context = {"run": run, "history": selectors.run_history(request.user, run), "neighbours": _neighbours(run)}
    return render(request, "dashboard/run.html", context)


def _neighbours(run: Run) -> tuple[int | None, int | None]:
    """Return the ids of the rows before and after `run` in its batch, which follow from its own."""
    if run.batch is None:
        return None, None
    before = run.pk - 1 if run.index > 0 else None
    return before, run.pk + 1 if run.index + 1 < run.batch.total else None
