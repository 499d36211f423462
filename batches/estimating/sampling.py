"""Which rows make the pilot of a batch."""

import random
from bisect import bisect_left
from collections.abc import Sequence

from batches.models import Batch
from workers.errors import InvalidInput

from .prompt_tokens import prompt_sizes
from .strata import Frame, allocate, bucket_of, make_strata

LEAST_PILOT = 5
MOST_PILOT = 1_000


def check_pilot(rows: int) -> None:
    """Raise InvalidInput where a pilot cannot have `rows` rows, whatever the batch has."""
    if not LEAST_PILOT <= rows <= MOST_PILOT:
        raise InvalidInput(f"pilot is {rows:,} rows; allowed: {LEAST_PILOT} to {MOST_PILOT:,}.")


def choose_pilot(batch: Batch, rows: int) -> list[int]:
    """Return the places of the `rows` rows of a pilot of `batch`, in order; the same ones whenever it is asked.

    They are stratified by the tokens of their prompts. Raises InvalidInput where `rows` is not 5 to 1,000, or more
    than the batch has.
    """
    check_pilot(rows)
    if rows > batch.total:
        raise InvalidInput(f"pilot is {rows:,} rows, but there are only {batch.total:,}.")
    return choose_places(prompt_sizes(batch), rows, seed=batch.pk)


def choose_places(sizes: Sequence[int], sample: int, seed: int) -> list[int]:
    """Return `sample` of the places of `sizes` (tokens), in order: drawn from each stratum, all in it alike."""
    frame = Frame()
    for size in sizes:
        frame.add(size)
    strata = make_strata(frame, sample)
    draw = random.Random(seed)
    numbers = allocate(strata, sample)
    # Which of the rows of each stratum, counted in the order of the input; the next one last.
    wanted = [
        sorted(draw.sample(range(stratum.rows), number), reverse=True)
        for stratum, number in zip(strata, numbers, strict=True)
    ]
    lasts = [stratum.last for stratum in strata]
    seen = [0] * len(strata)
    chosen = []
    for place, size in enumerate(sizes):
        stratum = bisect_left(lasts, bucket_of(size))
        if wanted[stratum] and wanted[stratum][-1] == seen[stratum]:
            wanted[stratum].pop()
            chosen.append(place)
        seen[stratum] += 1
    return chosen
