"""What the runner tells while an agent runs: plain values, in order, no database."""

from dataclasses import dataclass, field
from decimal import Decimal
from time import perf_counter
from typing import Any

from workers.errors import WorkError

from .llm.types import Completion, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A model call begins. Steps count from 1."""

    step: int


@dataclass(frozen=True, slots=True)
class TextProduced:
    """The model wrote a piece of text (only where the run streams)."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A model call ended: its answer, what it cost in US dollars, and how long it took in milliseconds.

    `model` is the one that answered, `credential/model`.
    """

    step: int
    completion: Completion
    cost: Decimal
    latency_ms: int
    first_token_ms: int | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class AnswerRejected:
    """The answer breaks the output schema; the model is told the `problem` and asked again."""

    step: int
    problem: str
    answer: str


@dataclass(frozen=True, slots=True)
class FailedOver:
    """A call to `model` (credential/model) failed with `error`; the next one goes to another model of the pool.

    `at` says when, by `perf_counter`: without a stream it is told only after the whole call.
    """

    step: int
    model: str
    error: WorkError
    at: float = field(default_factory=perf_counter, compare=False)


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is called."""

    step: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool gave its result, or the text of its error, which goes back to the model as the result."""

    step: int
    call: ToolCall
    result: str
    is_error: bool
    latency_ms: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The agent has answered. `parsed` is the JSON of the answer where the version has an output schema.

    `completion` is the last answer as it came; None of embeddings.
    """

    output: str
    parsed: Any | None
    usage: Usage
    cost: Decimal
    steps: int
    completion: Completion | None = field(default=None, compare=False)


RunnerEvent = (
    StepStarted | TextProduced | StepFinished | AnswerRejected | FailedOver | ToolStarted | ToolFinished | RunFinished
)
