"""Everything that an agent version must fulfil, in one place: pages, API and commands all pass through here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypedDict

from agents.abilities import resolve
from agents.llm.registry import provider_type
from agents.models import AgentVersion
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


# The fields of AgentVersion that make a version what it is.
CONTENT = (
    *(name for name in VersionChanges.__annotations__ if name != "limits"),
    *LIMITS,
)


def content_of(version: AgentVersion) -> dict[str, Any]:
    """Return what makes `version` what it is, as `checked_content` returns it."""
    content = {name: getattr(version, name) for name in CONTENT}
    return content | {"retry": _retry({}, version.retry)}


def checked_content(user: User, base: Mapping[str, Any], changes: VersionChanges) -> dict[str, Any]:
    """Return the content of a version: `base` (of an earlier version, or empty) with `changes`, normalised.

    Raises InvalidInput that names the first field that is wrong, and what is allowed.
    """
    given: dict[str, Any] = {**base, **changes}
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
        **_limits(base, changes.get("limits", {})),
    }
    provider_type(credential.provider).check_parameters(content["model"], content["parameters"])
    return content


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
        raise InvalidInput("credential is required: the name of a credential")
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
