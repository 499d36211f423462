"""Plain models: a provider's model that programs call as it is, without an agent of theirs.

Each is kept as an agent of kind MODEL with one version, made when it is first asked for. So limits, prices, leases and
records treat its runs like all others.
"""

import hashlib
from copy import copy

from django.db import IntegrityError, connection, transaction

from agents.llm.registry import provider_type
from agents.models import Agent, AgentKind, AgentVersion, Operation
from credentials.models import Credential, User
from credentials.selectors import get_credential
from workers.errors import InvalidInput, NotFound
from workers.retry import RetryPolicy

LONGEST_MODEL = 200
# Versions never change, so they are found once; what may change is the credential, which is read for each request.
MOST_KNOWN = 1_000
_known: dict[str, AgentVersion] = {}
# The prompt of a version may not be empty; requests bring messages of their own.
_NO_PROMPT = "-"


def plain_version(user: User, name: str, operation: str = Operation.CHAT) -> AgentVersion:
    """Return the version that stands for the model `name` (`credential/model`), with its agent and credential.

    Raises NotFound where `user` sees no such credential, or it is disabled, and InvalidInput for a name that is none.
    Whether the provider has the model, its answer tells.
    """
    credential_name, slash, model = name.partition("/")
    if not slash or not model.strip() or len(model) > LONGEST_MODEL or not model.isprintable():
        raise InvalidInput(f"model must be agent:slug, agent:slug@3 or credential/model; not {name[:100]!r}")
    credential = get_credential(user, credential_name)
    if not credential.is_active:
        raise NotFound(f"The credential '{credential.name}' is disabled.")
    if operation == Operation.EMBEDDINGS and not provider_type(credential.provider).has_embeddings:
        raise InvalidInput(f"model: the provider '{credential.provider}' has no embeddings")
    slug = _slug(credential, model, operation)
    known = _known.get(slug)
    if known is None:
        known = _find(slug) or _make(credential, model, operation, slug)
        _remember(slug, known)
    version = copy(known)
    version.credential = credential
    return version


def _remember(slug: str, version: AgentVersion) -> None:
    # What a transaction has made may yet be undone.
    if not connection.in_atomic_block:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[slug] = version


def _find(slug: str) -> AgentVersion | None:
    return AgentVersion.objects.select_related("agent").filter(agent__slug=slug, number=1).order_by().first()


def _make(credential: Credential, model: str, operation: str, slug: str) -> AgentVersion:
    try:
        with transaction.atomic():
            agent = Agent.objects.create(
                owner=credential.owner, slug=slug, name=f"{credential.name}/{model}"[:200], kind=AgentKind.MODEL
            )
            version = AgentVersion(
                agent=agent,
                number=1,
                credential=credential,
                model=model,
                prompt=_NO_PROMPT,
                operation=operation,
                # A request says itself how it wants to be answered, and its caller sees what does not fit.
                max_repairs=0,
                retry={**RetryPolicy().as_dict(), "strategy": str(RetryPolicy().strategy)},
                created_by=credential.owner,
            )
            version.save(force_insert=True)
            agent.current_version = version
            agent.save(update_fields=["current_version"])
    except IntegrityError:
        # Another process was first.
        version = AgentVersion.objects.select_related("agent").get(agent__slug=slug, number=1)
    return version


def _slug(credential: Credential, model: str, operation: str) -> str:
    """Return a slug that no user can give an agent, and that stays when the credential gets another name."""
    digest = hashlib.sha256(f"{operation} {model}".encode()).hexdigest()[:32]
    return f"~{credential.pk}~{digest}"
