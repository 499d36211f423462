"""The native REST API, `/api/v1`: assembled here from the apps' routers, which are named by dotted paths."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from ninja import NinjaAPI, Swagger

DESCRIPTION = """\
All that Arboretum's commands do, for programs: agents and their versions, single runs, batches, credentials, models and
their limits, API tokens.

Every request needs an API token, `Authorization: Bearer arb_...` (`manage.py tokens create`). Its scopes say what it
may do, within what its user may do; what the user may not see is 404.
"""
# Where each router begins, and its dotted name.
ROUTERS: tuple[tuple[str, str], ...] = ()


def make_api() -> NinjaAPI:
    """Return the API with the routers of all apps."""
    api = NinjaAPI(
        title="Arboretum",
        version="1.0.0",
        description=DESCRIPTION,
        urls_namespace="api",
        # An open-source product's description of itself: it tells nothing of what is stored.
        docs_decorator=_public,
        docs=Swagger({"persistAuthorization": False, "displayRequestDuration": True}),
    )
    for prefix, name in ROUTERS:
        api.add_router(prefix, name)
    return api


def _public(view: Any) -> Any:
    """Mark a view as one that asks for no signed-in user."""
    return login_not_required(view)


api = make_api()
