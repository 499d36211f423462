"""Agents read in from documents: all of them or none."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, cast

from django.db import transaction

from agents.models import Agent, AgentVersion
from agents.pools import parse_pool
from agents.selectors import list_agents
from agents.services import create_agent, new_version, update_agent
from agents.validation import LIMITS, VersionChanges, checked_content, content_of
from credentials.models import User
from workers.errors import InvalidInput

from .form import AGENT_FIELDS, CONTENT_FIELDS, FIELDS, FORMAT

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
MAX_DOCUMENTS = 1_000
# What must be a text; of the other fields the checks of every version tell what is allowed.
_TEXTS = (*AGENT_FIELDS, "note", "credential", "model", "instructions", "prompt")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one document: `created`, `updated` or `unchanged`, and the version that it now is."""

    action: str
    version: AgentVersion


def import_documents(
    user: User, documents: Sequence[Any], *, credential: str | None = None, dry_run: bool = False
) -> list[Imported]:
    """Create or update the agents that `documents` describe, in their order, and return what became of each.

    A field that a document leaves out has its default, so that the same document is the same version everywhere. An
    agent gets a new version only where something differs: where several documents are one agent's, those that are its
    latest versions already are left as they are. `credential` stands in for every one that is named.
    With `dry_run` all is checked and nothing is kept. Raises InvalidInput that names the document and the field; then
    nothing has changed.
    """
    if not documents:
        raise InvalidInput("The file holds no documents.")
    if len(documents) > MAX_DOCUMENTS:
        raise InvalidInput(f"The file holds {len(documents):,} documents; at most {MAX_DOCUMENTS:,} are allowed.")
    with transaction.atomic():
        checked = [_checked(user, place, document, credential) for place, document in enumerate(documents, 1)]
        there = _already_there(user, checked)
        done = [_stored(user, each, there.get(each.place)) for each in checked]
        if dry_run:
            transaction.set_rollback(True)
    return done


@dataclass(frozen=True, slots=True)
class _Checked:
    """A document, its place in the file from 1, and the content of the version that it describes."""

    place: int
    document: Mapping[str, Any]
    content: Mapping[str, Any]


def _checked(user: User, place: int, document: Any, credential: str | None) -> _Checked:
    try:
        _check_form(document)
        return _Checked(place, document, _content(user, document, credential))
    except InvalidInput as error:
        raise _named(error, place, document) from None


def _stored(user: User, checked: _Checked, there: AgentVersion | None) -> Imported:
    try:
        return _store(user, checked.document, checked.content, there)
    except InvalidInput as error:
        raise _named(error, checked.place, checked.document) from None


def _named(error: InvalidInput, place: int, document: Any) -> InvalidInput:
    slug = document.get("slug") if isinstance(document, Mapping) else None
    name = f" ({slug[:100]})" if isinstance(slug, str) and slug else ""
    return InvalidInput(f"document {place}{name}: {error}")


def _already_there(user: User, checked: Sequence[_Checked]) -> dict[int, AgentVersion]:
    """Return by place the versions that documents describe, where an agent has several documents.

    These are as many of its first documents as are its latest versions, in this order.
    """
    by_slug = defaultdict(list)
    for each in checked:
        by_slug[each.document["slug"]].append(each)
    found: dict[int, AgentVersion] = {}
    for slug, own in by_slug.items():
        agent = _existing(user, slug) if len(own) > 1 else None
        if agent is not None:
            latest = agent.versions.select_related("credential").prefetch_related("pool__credential")
            versions = [*latest.order_by("-number")[: len(own)]][::-1]
            same = _overlap([each.content for each in own], [content_of(version) for version in versions])
            found |= {each.place: version for each, version in zip(own, versions[len(versions) - same :], strict=False)}
    return found


def _overlap(first: Sequence[Any], last: Sequence[Any]) -> int:
    """Return how many of the first of `first` are the last of `last`."""
    return next(size for size in range(min(len(first), len(last)), -1, -1) if first[:size] == last[len(last) - size :])


def _check_form(document: Any) -> None:
    if not isinstance(document, Mapping):
        raise InvalidInput("must be an object with fields such as slug, model and prompt")
    for name in document:
        if name not in FIELDS:
            close = get_close_matches(str(name)[:100], FIELDS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"allowed: {', '.join(FIELDS)}"
            raise InvalidInput(f"{str(name)[:100]!r} is not a field; {hint}")
    if document.get("format") != FORMAT:
        raise InvalidInput(f"format must be {FORMAT}, not {str(document.get('format'))[:100]!r}")
    if not document.get("slug"):
        raise InvalidInput("slug is required: the name of the agent")
    for name in _TEXTS:
        if not isinstance(document.get(name), str | None):
            raise InvalidInput(f"{name} must be a text, not {type(document[name]).__name__}; put it in quotes")


def _content(user: User, document: Mapping[str, Any], credential: str | None) -> dict[str, Any]:
    """Return the whole content of the version that `document` describes, checked."""
    given = {name: document[name] for name in CONTENT_FIELDS if name in document}
    if credential is not None:
        given = _with_credential(given, credential)
    # What is empty in YAML (`abilities:`) is left out; only these have a meaning of their own for none.
    given = {name: value for name, value in given.items() if value is not None}
    return checked_content(user, {}, cast(VersionChanges, given))


def _with_credential(given: Mapping[str, Any], credential: str) -> dict[str, Any]:
    """Return the fields with `credential` wherever one is named: in the version, and in its pool."""
    pool = [replace(entry, credential=credential) for entry in parse_pool(given.get("pool"))]
    return {**given, "credential": credential, "pool": pool}


def _store(user: User, document: Mapping[str, Any], content: Mapping[str, Any], there: AgentVersion | None) -> Imported:
    changes = _changes(content)
    words = {name: document[name] for name in ("name", "description", "state") if document.get(name) is not None}
    note = document.get("note") or ""
    agent = _existing(user, document["slug"])
    if agent is None:
        new = {name: words[name] for name in words if name != "state"}
        agent = create_agent(user, slug=document["slug"], note=note, **new, **changes)
        update_agent(user, agent, state=words.get("state"))
        return Imported(CREATED, _current(agent))
    before = agent.current_version
    version = there or new_version(user, agent, note=note, **changes)
    differs = {name: value for name, value in words.items() if getattr(agent, name) != value}
    if differs:
        update_agent(user, agent, **differs)
    return Imported(UPDATED if differs or version not in (before, there) else UNCHANGED, version)


def _changes(content: Mapping[str, Any]) -> VersionChanges:
    """Return the whole content as changes, so that nothing of an earlier version stays."""
    limits = {name: content[name] for name in LIMITS if name in content}
    rest = {name: content[name] for name in CONTENT_FIELDS if name in content}
    return cast(VersionChanges, {**rest, "limits": limits})


def _existing(user: User, slug: str) -> Agent | None:
    return None if "\x00" in slug else list_agents(user).filter(slug=slug).first()


def _current(agent: Agent) -> AgentVersion:
    assert agent.current_version is not None
    return agent.current_version
