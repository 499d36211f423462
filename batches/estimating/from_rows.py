"""An estimate from the rows of a batch that have ended: its pilot, or what has been run of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

import orjson

from batches.models import Batch
from batches.states import RunState
from workers.errors import InvalidInput

from .estimator import EndedRow, Totals, estimate_totals
from .prices import Duration, ModelShare, Work, least_duration, models_of, prices_of
from .prompt_tokens import TOLD_ROWS, PromptCounter, rows_of
from .sampling import LEAST_PILOT
from .strata import Frame

# Of more ended rows than about this many some are drawn: they tell the same.
MOST_ENDED = 100_000
_ENDED_STATES = (RunState.SUCCEEDED, RunState.FAILED)
_FIELDS = ("input_kind", "input_json", "state", "input_tokens", "output_tokens", "cost", "latency_ms")


@dataclass(frozen=True, slots=True)
class RowsEstimate:
    """What a batch comes to. `ended` rows tell it, all attempts of them; `has_prices` is whether their cost does.

    `duration` is that of the rows that are left.
    """

    batch: Batch
    ended: int
    totals: Totals
    models: list[ModelShare]
    has_prices: bool
    duration: Duration | None


@dataclass(slots=True)
class _Reading:
    """What the rows of a batch told."""

    frame: Frame = field(default_factory=Frame)
    ended: list[EndedRow] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def estimate_batch(batch: Batch, *, on_progress: Callable[[int, int], None] = lambda done, total: None) -> RowsEstimate:
    """Return what `batch` comes to by the rows that have ended; `on_progress` is told rows read and all, now and then.

    The rows that ended first of a batch without a pilot are those that stand first in its file: where the file is in
    some order, they tell of the rest only as far as the lengths of prompts do. Raises InvalidInput with fewer than 5.
    """
    reading = _read(batch, on_progress)
    needed = max(1, min(LEAST_PILOT, batch.total))
    if len(reading.ended) < needed:
        raise InvalidInput(f"Batch {batch.pk}: {len(reading.ended)} rows have ended; an estimate needs {needed}.")
    models = models_of(batch.version)
    prices = prices_of(models)
    totals = estimate_totals(reading.frame, reading.ended, 0.0 if prices is None else prices.input)
    return RowsEstimate(
        batch, len(reading.ended), totals, models, prices is not None, _rest(batch, reading, totals, models)
    )


def _rest(batch: Batch, reading: _Reading, totals: Totals, models: list[ModelShare]) -> Duration | None:
    """Return how long the rows take that have not ended."""
    spent = batch.input_tokens + batch.output_tokens
    tokens = max(0.0, totals.input_tokens.value + totals.output_tokens.value - spent)
    seconds = fmean(reading.seconds) if reading.seconds else None
    return least_duration(models, Work(batch.remaining, tokens, seconds)) if batch.remaining else None


def _read(batch: Batch, on_progress: Callable[[int, int], None]) -> _Reading:
    counter, reading, draw = PromptCounter(batch.version), _Reading(), random.Random(batch.pk)
    chance = MOST_ENDED / max(1, batch.succeeded + batch.failed)
    for place, row in enumerate(rows_of(batch, *_FIELDS), 1):
        kind, text, state, input_tokens, output_tokens, cost, latency = row
        tokens = counter.count(orjson.loads(text), kind)
        reading.frame.add(tokens)
        if state in _ENDED_STATES and (chance >= 1 or draw.random() < chance):
            reading.ended.append(EndedRow(tokens, input_tokens, output_tokens, float(cost)))
            if latency is not None:
                reading.seconds.append(latency / 1000)
        if place % TOLD_ROWS == 0:
            on_progress(place, batch.total)
    return reading
