"""Answers in a file against a schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.schemas import compiled_schema, parse_output
from agents.values import fault_of
from workers.errors import WorkError

from .rows import Answer, answers_in


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row whose answer does not fit, and why."""

    row: int
    problem: str


@dataclass(frozen=True, slots=True)
class Fit:
    """How many answers a file holds, and which of them do not fit."""

    answers: int
    misfits: tuple[Misfit, ...]


def fit_of(name: str, schema: Mapping[str, Any]) -> Fit:
    """Return how the answers in `FILE` or `FILE#COLUMN` fit `schema`. Raises InvalidInput and OSError."""
    count, misfits = 0, []
    for answer in answers_in(name):
        count += 1
        if problem := _problem(answer, schema):
            misfits.append(Misfit(answer.row, problem))
    return Fit(count, tuple(misfits))


def _problem(answer: Answer, schema: Mapping[str, Any]) -> str | None:
    if answer.text is None:
        return fault_of(answer.value) or compiled_schema(schema).problem(answer.value)
    try:
        parse_output(answer.text, schema)
    except WorkError as error:
        return error.message
    return None
