"""The native REST API, `/api/v1`: assembled here from the apps' routers, which are named by dotted paths."""

from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver
from django.utils.module_loading import import_string
from ninja import NinjaAPI, Swagger
from ninja.openapi.schema import OpenAPISchema

DESCRIPTION = """\
All that Arboretum's commands do, for programs: agents and their versions, single runs, batches, credentials, models and
their limits, API tokens.

Every request needs an API token, `Authorization: Bearer arb_...` (`manage.py tokens create`). Its scopes say what it
may do, within what its user may do; what the user may not see is 404.

Lists come in pages: `next` of one is the `cursor` of the next. Times are ISO 8601 in UTC, money is US dollars. Every
error has the same shape, whose `code` is stable. A POST may carry an `Idempotency-Key`: sent again, it does nothing
twice.
"""
_NATIVE = "credentials.api.native.installing"
# Where each router begins, and its dotted name.
ROUTERS: tuple[tuple[str, str], ...] = (
    ("", "credentials.api.tokens.routes.router"),
    ("", "agents.api.agents.routes.router"),
    ("", "agents.api.versions.routes.router"),
    ("", "agents.api.documents.routes.router"),
    ("", "agents.api.trying.routes.router"),
    ("", "batches.api.webhooks.routes.router"),
    ("", "batches.api.runs.routes.router"),
    ("", "batches.api.batches.routes.router"),
    ("", "batches.api.results.routes.router"),
    ("", "batches.api.estimates.routes.router"),
    ("", "batches.api.answers.routes.router"),
    ("", "credentials.api.native.credentials.routes.router"),
    ("", "credentials.api.native.models.routes.router"),
    ("", "agents.api.checking.routes.router"),
)


class Documentation(Swagger):
    """The page that shows the API, in the theme of all pages, from this server alone."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Return the page."""
        settings = {**self.settings, "url": self.get_openapi_url(api, kwargs)}
        return render(request, "dashboard/api_docs.html", {"settings": settings})


class Api(NinjaAPI):
    """The API, which describes itself once: whoever asks for its document need not be signed in."""

    @cache  # noqa: B019  # there is one API, for as long as the process lives
    def _described(self, path_prefix: str) -> OpenAPISchema:
        return super().get_openapi_schema(path_prefix=path_prefix)

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> OpenAPISchema:
        """Return the OpenAPI document."""
        return self._described(self.get_root_path(path_params or {}) if path_prefix is None else path_prefix)


def make_api() -> Api:
    """Return the API with the routers of all apps."""
    api = Api(
        title="Arboretum",
        version="1.0.0",
        description=DESCRIPTION,
        urls_namespace="api",
        parser=import_string(f"{_NATIVE}.JsonParser")(),
        # An open-source product's description of itself: it tells nothing of what is stored.
        docs_decorator=login_not_required,
        docs=Documentation({"persistAuthorization": False, "displayRequestDuration": True}),
    )
    for prefix, name in ROUTERS:
        api.add_router(prefix, _attribute(name))
    import_string(f"{_NATIVE}.handle_errors")(api)
    return api


def api_urls(api: NinjaAPI) -> tuple[list[URLPattern | URLResolver], str, str]:
    """Return what `path` takes: the addresses of `api`, its views on threads for the database."""
    patterns, app_name, namespace = api.urls
    return import_string(f"{_NATIVE}.in_threads")(patterns), app_name, namespace


def _attribute(name: str) -> Any:
    """Return what the dotted name stands for, an attribute of an attribute as well."""
    owner, _, attribute = name.rpartition(".")
    return getattr(import_string(owner), attribute)


urls = api_urls(make_api())
