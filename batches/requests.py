"""Requests of programs: each becomes a single run, started at once."""

from collections.abc import Mapping
from typing import Any

from agents.llm.types import Price
from agents.models import AgentVersion
from agents.requests.asking import check_asked
from agents.services import spec_of
from agents.spec import AgentSpec
from agents.values import fault_of
from credentials.models import User
from workers.errors import InvalidInput

from .inputs import canonical_json
from .models import Run
from .models.batch import InputKind
from .runs import new_run, store_and_publish

MAX_BODY_CHARACTERS = 48 * 1024 * 1024


def start_request(
    user: User, version: AgentVersion, kind: InputKind, body: Mapping[str, Any], *, run_id: int | None = None
) -> Run:
    """Start one run of `version`, which `resolve_model` found for `user`, over a request's body; return it, queued.

    It gets the id `run_id` (`batches.ids.single_run_id`), unless another process has drawn that one, too. Raises
    InvalidInput, which begins with the name of the parameter that is wrong.
    """
    input_json = check_request(version, kind, body)
    ids = [] if run_id is None else [run_id]
    return store_and_publish(lambda: [new_run(user, version, kind, input_json, run_id=ids.pop() if ids else None)])[0]


def check_request(version: AgentVersion, kind: InputKind, body: Mapping[str, Any]) -> str:
    """Return a request's body as it is stored. Raises InvalidInput where `version` cannot run it.

    The version's agent and credential are read, so select them with it.
    """
    # Prices do not matter here, and looking them up would take a query.
    return checked_body(spec_of(version, Price()), version.credential.provider, kind, body)


def checked_body(spec: AgentSpec, provider: str, kind: InputKind, body: Mapping[str, Any]) -> str:
    """Return a request's body as it is stored. Raises InvalidInput where `spec` at `provider` cannot run it."""
    if fault := fault_of(body):
        raise InvalidInput(f"the body at {fault}")
    check_asked(spec, provider, kind, body)
    return body_text(body)


def body_text(body: Mapping[str, Any]) -> str:
    """Return a checked body as it is stored. Raises InvalidInput where it cannot be, or is too long."""
    text = canonical_json(dict(body))
    if len(text) > MAX_BODY_CHARACTERS:
        raise InvalidInput(f"the body has {len(text)} characters; at most {MAX_BODY_CHARACTERS} are allowed")
    return text
