"""`GET /v1/models`: what a token may name as `model`: its user's agents, and the models of its credentials.

https://platform.openai.com/docs/api-reference/models
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from agents.model_names import AGENT_PREFIX
from agents.models import AgentState, AgentVersion
from agents.selectors import get_version, list_agents
from agents.services import require_runnable
from credentials.api.callers import Caller
from credentials.known import known_models
from credentials.models import Credential, ProviderModel
from credentials.selectors import get_credential
from workers.errors import InvalidInput

from .access import json_response, needs, serve
from .errors import ApiError

# Who may run a model may know of it.
SCOPES = ("agents:read", "runs:write")
OWNER = "arboretum"


@needs(*SCOPES)
def list_models(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Return all that may be named as `model`."""
    return json_response({"object": "list", "data": [*_agents(caller), *_provider_models(caller)]})


@needs(*SCOPES)
def get_model(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    """Return one model. Raises ApiError 404 where the caller can run none of that name."""
    return json_response(_found(caller, name))


def _agents(caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield each agent that may be run as its current version, and every version by its number."""
    agents = list_agents(caller.user).filter(state=AgentState.ACTIVE, current_version__isnull=False)
    slugs = dict(agents.values_list("pk", "slug"))
    created: dict[int, list[tuple[int, datetime]]] = {}
    versions = AgentVersion.objects.filter(agent__in=slugs).order_by("agent", "-number")
    for agent, number, at in versions.values_list("agent", "number", "created_at"):
        created.setdefault(agent, []).append((number, at))
    for agent, slug in slugs.items():
        numbers = created.get(agent, [])
        if numbers:
            yield _model(f"{AGENT_PREFIX}{slug}", numbers[0][1], OWNER)
        for number, at in numbers:
            yield _model(f"{AGENT_PREFIX}{slug}@{number}", at, OWNER)


def _provider_models(caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield the models that the credentials' providers are known to have, and those that have limits of their own."""
    credentials = {row.pk: row for row in Credential.objects.visible_to(caller.user).order_by("name") if row.is_active}
    names: dict[int, set[str]] = {pk: set() for pk in credentials}
    for known in known_models(caller.user):
        if known.credential.pk in names:
            names[known.credential.pk].add(known.name)
    own = ProviderModel.objects.filter(credential__in=credentials).exclude(name=ProviderModel.DEFAULT)
    for pk, name in own.values_list("credential", "name"):
        names[pk].add(name)
    for pk, credential in credentials.items():
        for name in sorted(names[pk]):
            yield _model(f"{credential.name}/{name}", credential.created_at, credential.provider)


def _found(caller: Caller, name: str) -> dict[str, Any]:
    """Return what `name` stands for. Of a provider's models only a call tells whether it has them."""
    try:
        if not name.startswith(AGENT_PREFIX):
            credential = get_credential(caller.user, name.partition("/")[0])
            if "/" in name and credential.is_active:
                return _model(name, credential.created_at, credential.provider)
        else:
            version = get_version(caller.user, name.removeprefix(AGENT_PREFIX))
            require_runnable(version)
            return _model(name, version.created_at, OWNER)
    except InvalidInput:
        pass
    raise _unknown(name)


def _unknown(name: str) -> ApiError:
    message = f"The model '{name[:200]}' does not exist, or you may not use it."
    return ApiError(404, message, param="model", code="model_not_found")


def _model(name: str, created: datetime, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created.timestamp()), "owned_by": owner}


listed = serve(GET=list_models)
one = serve(GET=get_model)
