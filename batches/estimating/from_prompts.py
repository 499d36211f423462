"""An estimate from the prompts of a file alone. Nothing is created and nothing is called."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.models import AgentVersion
from batches.accepting import accept_input
from batches.access import require_access
from batches.inputs import InputReport, read_rows
from credentials.models import User

from .answers import Answers, expected_answers
from .prices import Duration, ModelShare, Work, least_duration, models_of, prices_of
from .prompt_tokens import TOLD_ROWS, PromptCounter


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The tokens of the first calls of all rows, and those of the shortest and the longest."""

    total: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class PromptEstimate:
    """What a file will take. `output_tokens` is None where nothing is known of the answers.

    `cost` is US dollars, None where a model has no price. Where nothing is known of answers it is that of the input.
    """

    report: InputReport
    models: list[ModelShare]
    input: PromptTokens
    answers: Answers
    output_tokens: float | None
    cost: float | None
    duration: Duration | None


def estimate_file(
    user: User,
    version: AgentVersion,
    path: Path,
    *,
    skip_bad_rows: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> PromptEstimate:
    """Return what the rows of the file at `path` will take with `version`; `on_progress` is told rows done and all.

    Raises InvalidInput as `BatchManager.create` does, BadRows where a row is bad and that is not to be passed over.
    """
    require_access(user, version)
    report = accept_input(version, path, skip_bad_rows=skip_bad_rows)
    models = models_of(version)
    tokens = _count(version, report, on_progress)
    answers = expected_answers(user, version, models)
    output = None if answers.tokens is None else answers.tokens * report.total
    prices = prices_of(models)
    cost = None if prices is None else (tokens.total * prices.input + (output or 0.0) * prices.output) / 1e6
    work = Work(report.total, tokens.total + (output or 0.0), answers.seconds)
    return PromptEstimate(report, models, tokens, answers, output, cost, least_duration(models, work))


def _count(version: AgentVersion, report: InputReport, on_progress: Callable[[int, int], None]) -> PromptTokens:
    counter = PromptCounter(version)
    total = most = done = 0
    least: int | None = None
    for done, row in enumerate(read_rows(report, skip_problems=True), 1):
        tokens = counter.count(row.columns)
        total += tokens
        most = max(most, tokens)
        least = tokens if least is None else min(least, tokens)
        if done % TOLD_ROWS == 0:
            on_progress(done, report.total)
    return PromptTokens(total, least or 0, most)
