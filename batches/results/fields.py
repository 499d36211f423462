"""The fields that conditions and aggregate questions may name, and what they are in SQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, Text, case, cast, func, select

from batches.states import RunState
from batches.tables import agent_versions, credentials, runs
from workers.errors import ErrorCategory, ErrorCode, InvalidInput

from .categories import category_of
from .json_paths import ROOTS, JsonPath, json_path


class Kind(Enum):
    """How a field's values compare."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"


# The model of each version, for rows that do not name one themselves.
_versions = (
    select(agent_versions.c.id, (credentials.c.name + "/" + agent_versions.c.model).label("model"))
    .join_from(agent_versions, credentials, credentials.c.id == agent_versions.c.credential_id)
    .subquery("version")
)


def _category() -> ColumnElement[Any]:
    known = {code.value: category_of(code) for code in ErrorCode}
    whens: list[tuple[Any, str | None]] = [(runs.c.error_code.is_(None), None)]
    whens += [
        (runs.c.error_code.in_([code for code, of in known.items() if of == category.value]), category.value)
        for category in ErrorCategory
        if category is not ErrorCategory.SYSTEM
    ]
    return case(*whens, else_=ErrorCategory.SYSTEM.value)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a row's record. `allowed` are its values where only some are possible."""

    name: str
    kind: Kind
    make: Callable[[], ColumnElement[Any]]
    allowed: tuple[str, ...] = ()
    of_version: bool = False

    @property
    def expression(self) -> ColumnElement[Any]:
        """The field in SQL, from the table of runs (joined by `with_version` where `of_version`)."""
        return self.make()


def with_version(statement: Select[Any]) -> Select[Any]:
    """Return `statement` with what is known of each row's agent version."""
    return statement.join(_versions, _versions.c.id == runs.c.agent_version_id)


_FIELDS = (
    Field("index", Kind.NUMBER, lambda: runs.c.index),
    Field("custom_id", Kind.TEXT, lambda: runs.c.custom_id),
    Field("status", Kind.TEXT, lambda: runs.c.state, tuple(RunState.values)),
    Field("output", Kind.TEXT, lambda: runs.c.output),
    Field("code", Kind.TEXT, lambda: runs.c.error_code, tuple(code.value for code in ErrorCode)),
    Field("category", Kind.TEXT, _category, tuple(category.value for category in ErrorCategory)),
    Field("message", Kind.TEXT, lambda: runs.c.error_message),
    Field("attempts", Kind.NUMBER, lambda: runs.c.attempt),
    Field("input_tokens", Kind.NUMBER, lambda: runs.c.input_tokens),
    Field("output_tokens", Kind.NUMBER, lambda: runs.c.output_tokens),
    Field("total_tokens", Kind.NUMBER, lambda: runs.c.input_tokens + runs.c.output_tokens),
    Field("cached_tokens", Kind.NUMBER, lambda: runs.c.cached_tokens),
    Field("reasoning_tokens", Kind.NUMBER, lambda: runs.c.reasoning_tokens),
    Field("cost", Kind.NUMBER, lambda: cast(runs.c.cost, Float)),
    Field("latency_ms", Kind.NUMBER, lambda: runs.c.latency_ms),
    Field("model", Kind.TEXT, lambda: func.coalesce(runs.c.model, _versions.c.model, type_=Text()), of_version=True),
    Field("cached", Kind.TRUTH, lambda: runs.c.is_cached),
)
FIELDS = {field.name: field for field in _FIELDS}
NUMBER_FIELDS = tuple(field.name for field in _FIELDS if field.kind is Kind.NUMBER)


def named_field(name: str) -> Field | JsonPath:
    """Return the field of a name. Raises InvalidInput where there is none, naming what is allowed."""
    if name in FIELDS:
        return FIELDS[name]
    if name.startswith(tuple(f"{root}{mark}" for root in ROOTS for mark in ".[")):
        return json_path(name)
    raise InvalidInput(
        f"{name!r} is no field{did_you_mean(name, FIELDS)}; allowed: {', '.join(FIELDS)}, parsed.NAME, input.NAME."
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest of the `known` names, whatever the case, to follow a name; empty where none is."""
    close = get_close_matches(name.lower()[:100], list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
