"""Agents and their versions."""

from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from agents.models import slug_validator
from dashboard.paging import number_parameter
from dashboard.selectors import agents as selectors


@require_safe
def agent_list(request: HttpRequest) -> HttpResponse:
    """List agents by slug, a page at a time."""
    agents, next_after = selectors.agent_page(request.user, after=_after(request))
    return render(request, "dashboard/agents.html", {"agents": agents, "next_after": next_after})


@require_safe
def agent_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an agent: its versions, and the prompt and settings of one (`?version=N`), the current one by default."""
    agent = get_object_or_404(selectors.visible_agents(request.user), slug=slug)
    number = number_parameter(request, "version")
    shown = selectors.agent_version(request.user, agent, number) if number is not None else agent.current_version
    context = {
        "agent": agent,
        "versions": selectors.agent_versions(request.user, agent),
        "shown": shown,
        "pool": selectors.pool_members(request.user, shown) if shown else [],
    }
    return render(request, "dashboard/agent.html", context)


def _after(request: HttpRequest) -> str:
    after = request.GET.get("after", "")
    if after:
        try:
            slug_validator(after)
        except ValidationError:
            raise BadRequest("after must be the slug of an agent.") from None
    return after
