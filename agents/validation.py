"""Everything that an agent version must fulfil, in one place: pages, API and commands all pass through here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypedDict

from agents.abilities import resolve
from agents.attachments import MOST_ATTACHMENTS
from agents.embeddings import EMBEDDING_PARAMETERS
from agents.llm.parameters import check_fields
from agents.llm.registry import provider_type
from agents.models import AgentVersion, Operation
from agents.pools import PoolEntry, parse_pool
from agents.prompts import is_name
from agents.repairs import LARGEST_REPAIRS
from agents.schemas import check_schema
from agents.spec import RunLimits
from agents.values import fault_of, text_fault
from credentials.models import Credential, User
from credentials.selectors import get_credential
from workers.errors import InvalidInput
from workers.retry import RetryPolicy

MAX_TEXT = 1_000_000
MAX_PARAMETERS = 64 * 1024
_LARGEST_INTEGER = 2**31 - 1
_LARGEST_COST = Decimal(1_000_000)
_COST_PLACES = Decimal("1e-6")
LONGEST_CACHE_SECONDS = 10 * 366 * 86_400
LIMITS = tuple(field.name for field in fields(RunLimits))


class VersionChanges(TypedDict, total=False):
    """What a version is made of. `limits` and `retry` as mappings may hold only some of their settings."""

    credential: Credential | str
    model: str
    instructions: str
    prompt: str
    parameters: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None
    abilities: Sequence[str]
    limits: RunLimits | Mapping[str, Any]
    retry: RetryPolicy | Mapping[str, Any]
    operation: str
    attachments: Sequence[str]
    cache_seconds: int | None
    pool: Sequence[PoolEntry | Mapping[str, Any] | str] | None


# What makes a version what it is: fields of AgentVersion, and the members of its pool.
CONTENT = (
    *(name for name in VersionChanges.__annotations__ if name != "limits"),
    *LIMITS,
)


def content_of(version: AgentVersion) -> dict[str, Any]:
    """Return what makes `version` what it is, as `checked_content` returns it. Its pool is read (a query)."""
    content = {name: getattr(version, name) for name in CONTENT if name != "pool"}
    return content | {"retry": _retry({}, version.retry), "pool": pool_of(version)}


def pool_of(version: AgentVersion) -> tuple[PoolEntry, ...]:
    """Return the members of the version's pool, the first of which is its own model; empty without one."""
    members = version.pool.all() if _is_prefetched(version) else version.pool.select_related("credential")
    return tuple(PoolEntry(member.credential.name, member.model, member.weight) for member in members)


def _is_prefetched(version: AgentVersion) -> bool:
    return "pool" in getattr(version, "_prefetched_objects_cache", {})


def checked_content(user: User, base: Mapping[str, Any], changes: VersionChanges) -> dict[str, Any]:
    """Return the content of a version: `base` (of an earlier version, or empty) with `changes`, normalised.

    Raises InvalidInput that names the first field that is wrong, and what is allowed.
    """
    given: dict[str, Any] = {**base, **changes}
    given |= _first_of_pool(given, changes)
    credential = _credential(user, given.get("credential"))
    content = {
        "credential": credential,
        "model": _model(given.get("model")),
        "instructions": check_text("instructions", given.get("instructions", "")),
        "prompt": _prompt(given.get("prompt")),
        "parameters": _parameters(given.get("parameters", {})),
        "output_schema": _schema(given.get("output_schema")),
        "abilities": _abilities(given.get("abilities", ())),
        "retry": _retry(base.get("retry", {}), changes.get("retry", {})),
        "operation": _operation(given.get("operation", Operation.CHAT)),
        "attachments": _attachments(given.get("attachments", ())),
        "cache_seconds": _cache_seconds(given.get("cache_seconds")),
        "pool": given["pool"],
        **_limits(base, changes.get("limits", {})),
    }
    for entry in content["pool"] or (PoolEntry(credential.name, content["model"]),):
        _check_model_parameters(_credential(user, entry.credential), entry.model, content)
    return content


def _first_of_pool(given: Mapping[str, Any], changes: VersionChanges) -> dict[str, Any]:
    """Return the pool, and the credential and the model that its first member stands for."""
    pool = parse_pool(given.get("pool"))
    if not pool:
        return {"pool": pool}
    if "pool" not in changes and ("model" in changes or "credential" in changes):
        raise InvalidInput("model: the agent has a pool of models: change its pool, or drop it (pool none) first")
    return {"pool": pool, "credential": pool[0].credential, "model": pool[0].model}


def _check_model_parameters(credential: Credential, model: str, content: Mapping[str, Any]) -> None:
    """Raise InvalidInput where the version's parameters are not what its operation and this model take."""
    _model(model)
    if content["operation"] == Operation.CHAT:
        provider_type(credential.provider).check_parameters(model, content["parameters"])
        return
    if not provider_type(credential.provider).has_embeddings:
        raise InvalidInput(f"operation: the provider '{credential.provider}' has no embeddings; choose another's model")
    check_fields(content["parameters"], EMBEDDING_PARAMETERS)
    for name in ("output_schema", "abilities", "attachments"):
        if content[name]:
            raise InvalidInput(f"{name} must be empty: the operation embeddings asks for a vector of the prompt alone")


def _operation(value: Any) -> str:
    if value not in Operation.values:
        raise InvalidInput(f"operation must be one of: {', '.join(Operation.values)}; not {str(value)[:100]!r}")
    return str(value)


def _attachments(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > MOST_ATTACHMENTS:
        raise InvalidInput(f"attachments must be a list of at most {MOST_ATTACHMENTS} columns")
    for place, name in enumerate(value):
        if not isinstance(name, str) or not is_name(name):
            raise InvalidInput(f"attachments[{place}] must be the name of a column, not {name!r}")
        if name in value[:place]:
            raise InvalidInput(f"attachments names the column '{name}' twice")
    return list(value)


def _cache_seconds(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= LONGEST_CACHE_SECONDS:
        raise InvalidInput(f"cache_seconds must be a whole number from 1 to {LONGEST_CACHE_SECONDS}, not {value!r}")
    return value


def check_text(field: str, value: Any, most: int = MAX_TEXT) -> str:
    """Return `value` as a text of at most `most` characters that can be stored; None is empty. Raises InvalidInput."""
    text = "" if value is None else value
    if fault := text_fault(text):
        raise InvalidInput(f"{field} {fault}")
    if len(text) > most:
        raise InvalidInput(f"{field} has {len(text)} characters; at most {most} are allowed")
    return str(text)


def _credential(user: User, value: Any) -> Credential:
    name = check_text("credential", value.name if isinstance(value, Credential) else value)
    if not name:
        raise InvalidInput("credential is required: the name of a credential, or a model such as openai/gpt-4o")
    # Read again, also where an object is given: what counts is what `user` may see now.
    credential = get_credential(user, name)
    if not credential.is_active:
        raise InvalidInput(f"credential: '{name}' is disabled")
    return credential


def _model(value: Any) -> str:
    model = check_text("model", value, most=200).strip()
    if not model or not model.isprintable():
        raise InvalidInput("model is required: the provider's name of a model, such as gpt-4o-mini")
    return model


def _prompt(value: Any) -> str:
    prompt = check_text("prompt", value)
    if not prompt.strip():
        raise InvalidInput("prompt is required: a template over the input's columns, such as {{ ticket }}")
    return prompt


def _parameters(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput("parameters must be a JSON object, such as {'temperature': 0}")
    parameters = dict(value)
    if fault := fault_of(parameters):
        raise InvalidInput(f"parameters at {fault}")
    if len(json.dumps(parameters)) > MAX_PARAMETERS:
        raise InvalidInput(f"parameters are larger than {MAX_PARAMETERS} bytes as JSON")
    return parameters


def _schema(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    schema = dict(value) if isinstance(value, Mapping) else value
    check_schema(schema)
    return dict(schema)


def _abilities(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput('abilities must be a list of texts, e.g. ["calculator", "now"]')
    try:
        return list(resolve(value).grants)
    except InvalidInput as error:
        raise InvalidInput(f"abilities: {error}") from None


def _retry(base: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    if isinstance(changes, RetryPolicy):
        changes = changes.as_dict()
    if not isinstance(changes, Mapping):
        raise InvalidInput("retry must be an object, such as {'strategy': 'exponential', 'max_tries': 5}")
    policy = RetryPolicy.parse({**base, **changes}).as_dict()
    return policy | {"strategy": str(policy["strategy"])}


def _limits(base: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    given = {name: getattr(changes, name) for name in LIMITS} if isinstance(changes, RunLimits) else changes
    if not isinstance(given, Mapping):
        raise InvalidInput("limits must be an object, such as {'max_steps': 10}")
    unknown = sorted(set(given) - set(LIMITS))
    if unknown:
        raise InvalidInput(f"limits.{unknown[0]} is not a limit; allowed: {', '.join(LIMITS)}")
    default = RunLimits()
    merged = {name: given.get(name, base.get(name, getattr(default, name))) for name in LIMITS}
    return {
        "max_steps": int(_between("max_steps", merged["max_steps"], 1, 1_000, whole=True)),
        "max_tokens": _optional_whole("max_tokens", merged["max_tokens"]),
        "max_seconds": float(_between("max_seconds", merged["max_seconds"], 0.1, 86_400)),
        "max_cost": _cost(merged["max_cost"]),
        "max_repairs": int(_between("max_repairs", merged["max_repairs"], 0, LARGEST_REPAIRS, whole=True)),
    }


def _optional_whole(name: str, value: Any) -> int | None:
    return None if value is None else int(_between(name, value, 1, _LARGEST_INTEGER, whole=True))


def _between(name: str, value: Any, least: float, most: float, *, whole: bool = False) -> float:
    kind: Any = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        raise InvalidInput(
            f"limits.{name} must be a {'whole ' if whole else ''}number from {least} to {most}, not {value!r}"
        )
    number: float = value
    return number


def _cost(value: Any) -> Decimal | None:
    if value is None:
        return None
    problem = f"limits.max_cost must be US dollars from 0 to {_LARGEST_COST:,} with at most 6 decimals, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise InvalidInput(problem)
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        raise InvalidInput(problem) from None
    if not cost.is_finite() or not 0 <= cost < _LARGEST_COST or cost != cost.quantize(_COST_PLACES):
        raise InvalidInput(problem)
    return cost.quantize(_COST_PLACES)
