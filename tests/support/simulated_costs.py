"""Batches that are nothing but numbers: prompts, what the provider counts, what each row costs. For the estimator."""

import random
from collections.abc import Callable, Sequence

from batches.estimating.estimator import EndedRow, Totals, estimate_totals
from batches.estimating.sampling import choose_places
from batches.estimating.strata import Frame

# US dollars per 1,000,000 tokens: those of the simulated provider's small model.
INPUT_PRICE, OUTPUT_PRICE = 0.15, 0.60
MEDIAN_ANSWER = 60
Lengths = Callable[[random.Random], float]


def alike(draw: random.Random) -> float:
    """Return 200 tokens, the prompt of every row."""
    return 200


def mixed(draw: random.Random) -> float:
    """Return the tokens of a prompt, one of ten about twenty times as long as the others."""
    return (2_000 if draw.random() < 0.1 else 100) * draw.lognormvariate(0, 0.3)


def priced(prompt: int, input_tokens: int, output_tokens: int) -> EndedRow:
    """Return a row that has ended, with its cost."""
    cost = (input_tokens * INPUT_PRICE + output_tokens * OUTPUT_PRICE) / 1e6
    return EndedRow(prompt, input_tokens, output_tokens, cost)


def frame_of(rows: Sequence[EndedRow]) -> Frame:
    """Return all `rows`, counted by their prompts."""
    frame = Frame()
    for row in rows:
        frame.add(row.prompt_tokens)
    return frame


def simulated_batch(
    draw: random.Random, lengths: Lengths, sigma: float, rows: int = 600, *, in_proportion: bool = False
) -> list[EndedRow]:
    """Return rows whose answers are lognormal about 60 tokens, or about a third of the prompt where in proportion.

    The provider counts about an eighth more input than was estimated.
    """
    found = []
    for _ in range(rows):
        prompt = max(3, round(lengths(draw)))
        median = prompt / 3 if in_proportion else MEDIAN_ANSWER
        output = round(median * draw.lognormvariate(0, sigma))
        found.append(priced(prompt, round(prompt * draw.uniform(1.07, 1.18)), output))
    return found


def pilot_of(rows: Sequence[EndedRow], sample: int, seed: int) -> Totals:
    """Return what a pilot of `sample` rows tells of all."""
    places = choose_places([row.prompt_tokens for row in rows], sample, seed)
    return estimate_totals(frame_of(rows), [rows[place] for place in places], INPUT_PRICE)


def is_held(rows: Sequence[EndedRow], totals: Totals) -> bool:
    """Whether the true cost lies in the interval."""
    return totals.cost.low <= sum(row.cost for row in rows) <= totals.cost.high
