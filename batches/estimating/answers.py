"""How many tokens answers will have, from the best that is known before a run; each source is told."""

import math
from dataclasses import dataclass
from enum import StrEnum

from agents.llm.parameters import answer_limit
from agents.llm.tokens import BYTES_PER_TOKEN
from agents.models import AgentVersion, Operation
from credentials.models import User

from .history import history_of
from .prices import ModelShare
from .schema_size import answer_characters


class AnswerSource(StrEnum):
    """Where the length of answers is known from."""

    HISTORY = "history"
    EARLIER_VERSIONS = "earlier_versions"
    SCHEMA = "schema"
    PARAMETER = "parameter"
    MODEL = "model"
    EMBEDDINGS = "embeddings"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answers:
    """Tokens of an answer: the mean, and the standard deviation where it is known; `said` tells the source in words.

    `is_limit`: the most that it can be, not the mean. `tokens` is None where nothing is known. `seconds` is what a call
    took before, where it was made before.
    """

    tokens: float | None
    source: AnswerSource
    said: str
    spread: float | None = None
    is_limit: bool = False
    seconds: float | None = None


def expected_answers(user: User, version: AgentVersion, models: list[ModelShare]) -> Answers:
    """Return what is known of the answers of `version`: its earlier runs, else those of its agent's earlier versions.

    Else its output schema, the limit of its parameters, the limits of its models.
    """
    if version.operation == Operation.EMBEDDINGS:
        return Answers(0.0, AnswerSource.EMBEDDINGS, "embeddings have no answer")
    limit = answer_limit(version.parameters)
    return (
        _from_runs(user, [version], AnswerSource.HISTORY)
        or _from_runs(user, _earlier(version), AnswerSource.EARLIER_VERSIONS)
        or _from_schema(version, limit)
        or _from_limits(limit, models)
    )


def _earlier(version: AgentVersion) -> list[AgentVersion]:
    return list(version.agent.versions.filter(number__lt=version.number))


def _from_runs(user: User, versions: list[AgentVersion], source: AnswerSource) -> Answers | None:
    history = history_of(user, versions) if versions else None
    if history is None:
        return None
    whose = "this version" if source is AnswerSource.HISTORY else "earlier versions"
    said = f"mean of {history.runs:,} earlier runs of {whose}"
    return Answers(history.tokens, source, said, spread=history.spread, seconds=history.seconds)


def _from_schema(version: AgentVersion, limit: int | None) -> Answers | None:
    if version.output_schema is None:
        return None
    tokens = float(math.ceil(answer_characters(version.output_schema) / BYTES_PER_TOKEN))
    return Answers(tokens if limit is None else min(tokens, limit), AnswerSource.SCHEMA, "from the output schema")


def _from_limits(limit: int | None, models: list[ModelShare]) -> Answers:
    if limit is not None:
        return Answers(float(limit), AnswerSource.PARAMETER, "the most that the parameters allow", is_limit=True)
    known = [model.settings.max_output_tokens for model in models]
    if all(known):
        mean = sum(model.share * (most or 0) for model, most in zip(models, known, strict=True))
        return Answers(mean, AnswerSource.MODEL, "the most that the model writes", is_limit=True)
    return Answers(None, AnswerSource.UNKNOWN, "unknown: no earlier runs, no output schema, no limit")
