"""What is told of a single run while it runs, on the bus: pieces of text, tools, retries, and how it ended.

Workers tell it, web processes hear it (batches.waiting). Each piece of text says where it belongs, so that a piece
that comes twice, or is missing, is noticed. Rows of batches tell nothing.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from .models import Run
from .states import RunState

# What is longer is read from the row: Redis is no place for it.
LONGEST_TOLD = 256 * 1024


class NewsKind(StrEnum):
    """What a piece of news tells."""

    TEXT = "text"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    RETRY = "retry"
    END = "end"


@dataclass(frozen=True, slots=True)
class RunNews:
    """A piece of news of a run.

    TEXT has `at` (how many characters of the attempt's text came before) and `text`; TOOL_CALL and TOOL_RESULT what the
    stored events of a run have; RETRY `code`, `message` and `delay` in seconds; END the fields of FinishedRun, or
    nothing where the row has to be read.
    """

    kind: NewsKind
    attempt: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """How a run ended, as far as its caller is told. `cost` is in US dollars, tokens and cost are of all attempts.

    `completion` is Run.completion, `parsed` Run.parsed; `model` is the one that answered, `credential/model`, empty
    where none was called.
    """

    state: RunState
    output: str | None = None
    parsed: Any = None
    completion: dict[str, Any] | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    model: str = ""
    error_code: str | None = None
    error_message: str | None = None
    attempt: int = field(default=0, compare=False)


def topic_of(run_id: int) -> str:
    """Return the bus' topic of a run."""
    return f"run:{run_id}"


def news_bytes(kind: NewsKind, attempt: int, data: dict[str, Any]) -> bytes:
    """Return a piece of news as it goes over the bus."""
    return orjson.dumps([kind, attempt, data])


def read_news(data: bytes) -> RunNews:
    """Return a piece of news from the bus. Raises ValueError where it is none."""
    kind, attempt, values = orjson.loads(data)
    return RunNews(NewsKind(kind), attempt, values)


def end_bytes(finished: FinishedRun, parsed_json: str | None = None) -> bytes:
    """Return the news of an end; what is too long for the bus is left to the row.

    `parsed_json` stands for `finished.parsed`, where it is at hand as text.
    """
    values: dict[str, Any] = {
        name: getattr(finished, name) for name in FinishedRun.__slots__ if name not in ("cost", "attempt")
    }
    values["cost"] = str(finished.cost)
    if parsed_json is not None:
        values["parsed"] = orjson.Fragment(parsed_json)
    told = news_bytes(NewsKind.END, finished.attempt, values)
    return told if len(told) <= LONGEST_TOLD else news_bytes(NewsKind.END, finished.attempt, {})


def finished_run(news: RunNews) -> FinishedRun | None:
    """Return how a run ended, by the news of its end; None where the row has to be read."""
    if not news.data:
        return None
    values = dict(news.data)
    values["state"], values["cost"] = RunState(values["state"]), Decimal(values["cost"])
    return FinishedRun(**values, attempt=news.attempt)


def finished_of(run: Run) -> FinishedRun:
    """Return how `run`, which has ended, did so, by its row. The version is read where no model answered by name."""
    return FinishedRun(
        state=RunState(run.state),
        output=run.output,
        parsed=run.parsed,
        completion=run.completion,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cached_tokens=run.cached_tokens,
        reasoning_tokens=run.reasoning_tokens,
        cost=run.cost,
        model=run.model or f"{run.agent_version.credential.name}/{run.agent_version.model}",
        error_code=run.error_code,
        error_message=run.error_message,
        attempt=run.attempt,
    )
