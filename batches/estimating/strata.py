"""Strata: the rows of a batch by the estimated tokens of their prompts, so that a pilot has short and long ones.

The model is that a row's cost spreads about as much as `mean + tokens`, which lies between a spread that is the same
for all rows and one that grows with the prompt. Strata of equal sums of it, with equally many rows of the pilot each,
are then the best: R. L. Wright, "Finite population sampling with multivariate auxiliary information", Journal of the
American Statistical Association 78 (1983), 879-884 (the equal aggregate sigma rule).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

# Below this each number of tokens is counted apart; above it in steps of 1/32 of each power of two.
EXACT_TOKENS = 1024
_EXACT_BITS = EXACT_TOKENS.bit_length()
_STEP_BITS = 5
# A stratum needs a few rows for its spread to be seen, and more than these few strata gain little (W. G. Cochran,
# Sampling Techniques, 3rd ed. 1977, section 5A.8).
ROWS_A_STRATUM = 8
MOST_STRATA = 6
LEAST_ROWS = 2
# A stratum ends at a gap where prompts become so many times longer, if that is within this part of a stratum's sum.
WIDE_GAP = 1.5
NEAR = 0.45


def bucket_of(tokens: int) -> int:
    """Return the bucket of a prompt; buckets grow with `tokens` (0 or more), and are some 2,000 whatever comes."""
    if tokens < EXACT_TOKENS:
        return tokens
    bits = tokens.bit_length()
    step = (tokens >> (bits - _STEP_BITS - 1)) - (1 << _STEP_BITS)
    return EXACT_TOKENS + ((bits - _EXACT_BITS) << _STEP_BITS) + step


@dataclass(slots=True)
class Frame:
    """All rows of a batch, counted by their prompts' tokens: its size does not grow with the rows."""

    rows: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)

    def add(self, tokens: int) -> None:
        """Count a row whose prompt has about `tokens`."""
        bucket = bucket_of(tokens)
        self.rows[bucket] += 1
        self.tokens[bucket] += tokens

    @property
    def total_rows(self) -> int:
        """How many rows were counted."""
        return self.rows.total()

    @property
    def total_tokens(self) -> int:
        """The tokens of all of them."""
        return self.tokens.total()


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows whose prompts lie in the buckets up to `last`, beyond those of the stratum before."""

    last: int
    rows: int
    tokens: int

    def joined(self, other: "Stratum") -> "Stratum":
        """Return this stratum and the next one as one."""
        return Stratum(other.last, self.rows + other.rows, self.tokens + other.tokens)


def make_strata(frame: Frame, sample: int) -> list[Stratum]:
    """Return the strata for a pilot of `sample` rows of `frame`, shortest prompts first; a bucket is never divided."""
    number = max(1, min(MOST_STRATA, sample // ROWS_A_STRATUM))
    strata: list[Stratum] = []
    ends = set(_ends(frame, number))
    rows = tokens = 0
    for bucket in sorted(frame.rows):
        rows += frame.rows[bucket]
        tokens += frame.tokens[bucket]
        if bucket in ends:
            strata.append(Stratum(bucket, rows, tokens))
            rows = tokens = 0
    return strata


def _ends(frame: Frame, number: int) -> Iterator[int]:
    """Yield the last bucket of each of `number` strata of equal sums, or of fewer where the rows are too alike.

    A gap near such a place is a better one: else a few long prompts would stand for many short ones, or not at all.
    """
    buckets = sorted(frame.rows)
    mean = frame.total_tokens / max(1, frame.total_rows)
    sums = accumulate(mean * frame.rows[bucket] + frame.tokens[bucket] for bucket in buckets)
    shares = [reached * number / (2 * frame.total_tokens or 1) for reached in sums]
    for place in range(1, number):
        near = range(bisect_left(shares, place - NEAR), min(bisect_left(shares, place + NEAR), len(buckets) - 1))
        widest = max(near, key=lambda at: _gap(frame, buckets, at), default=None)
        if widest is not None and _gap(frame, buckets, widest) >= WIDE_GAP:
            yield buckets[widest]
        else:
            yield buckets[min(bisect_left(shares, place), len(buckets) - 1)]
    yield from buckets[-1:]


def _gap(frame: Frame, buckets: Sequence[int], at: int) -> float:
    """Return how many times longer the prompts of the next bucket are."""
    shorter, longer = (frame.tokens[bucket] / frame.rows[bucket] for bucket in buckets[at : at + 2])
    return longer / max(1.0, shorter)


def allocate(strata: Sequence[Stratum], sample: int) -> list[int]:
    """Return how many of `sample` rows each stratum gets: by its part of the sum that strata are made by.

    At least two each, or all where there are fewer. `sample` is at most the rows of all, and enough for that.
    """
    rows = sum(stratum.rows for stratum in strata)
    mean = sum(stratum.tokens for stratum in strata) / rows
    sizes = [mean * stratum.rows + stratum.tokens or 1.0 for stratum in strata]
    given = [min(LEAST_ROWS, stratum.rows) for stratum in strata]
    for _ in range(sample - sum(given)):
        # To who is furthest behind its part, one by one (D'Hondt's method).
        open_strata = [place for place, stratum in enumerate(strata) if given[place] < stratum.rows]
        neediest = max(open_strata, key=lambda place: sizes[place] / (given[place] + 1))
        given[neediest] += 1
    return given
