"""The overview: what is in progress, and what ended last."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.selectors import overview as selectors


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the overview."""
    return render(request, "dashboard/overview.html", {"overview": selectors.overview(request.user)})


@require_safe
def overview_live(request: HttpRequest) -> HttpResponse:
    """Return the part of the overview that changes by itself."""
    return render(request, "dashboard/partials/overview_live.html", {"overview": selectors.overview(request.user)})
