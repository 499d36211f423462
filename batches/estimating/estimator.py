"""What a whole batch comes to, from those of its rows that have ended. Pure: no database, no clock.

Known of every row: about how many tokens its prompt has. Known of the ended ones: what their attempts used and cost,
the failed and repeated ones too.

- Input: the prompts' tokens of all rows times the ratio seen in the ended rows, by the combined ratio estimator (W. G.
  Cochran, Sampling Techniques, 3rd ed. 1977, section 6.11).
- Output: the mean of each stratum times its rows (section 5.3 there).
- Cost: as the output, but for the part that follows from the prompts' tokens at the price of input: that is taken from
  all rows, as a difference estimator does (section 7.2 there).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .interval import Cell, Interval, sum_of
from .strata import LEAST_ROWS, Frame, Stratum, bucket_of, make_strata


class EndedRow(NamedTuple):
    """A row that has ended: its prompt's tokens as estimated, and what all its attempts used; cost in US dollars."""

    prompt_tokens: int
    input_tokens: int
    output_tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole batch by estimate, what has ended included. `ratio`: counted input tokens to those estimated."""

    input_tokens: Interval
    output_tokens: Interval
    cost: Interval
    ratio: float


class _Group(NamedTuple):
    """A stratum and its ended rows."""

    stratum: Stratum
    ended: list[EndedRow]


def estimate_totals(frame: Frame, ended: Sequence[EndedRow], input_price: float = 0.0) -> Totals:
    """Return what all rows of `frame` come to, from the `ended` ones of them, at least two unless that is all.

    `input_price` is in US dollars per 1,000,000 tokens. Raises ValueError with fewer rows.
    """
    if len(ended) < min(LEAST_ROWS, frame.total_rows) or not ended:
        raise ValueError("an estimate needs at least two rows that have ended")
    groups = _groups(make_strata(frame, len(ended)), ended)
    ratio = _ratio(groups)
    spent = (
        sum(row.input_tokens for row in ended),
        sum(row.output_tokens for row in ended),
        sum(row.cost for row in ended),
    )
    return Totals(
        _total(groups, [[row.input_tokens for row in group.ended] for group in groups], ratio, spent[0]),
        _total(groups, [[row.output_tokens for row in group.ended] for group in groups], 0.0, spent[1]),
        _total(groups, [[row.cost for row in group.ended] for group in groups], ratio * input_price / 1e6, spent[2]),
        ratio,
    )


def _groups(strata: Sequence[Stratum], ended: Iterable[EndedRow]) -> list[_Group]:
    """Sort the ended rows into the strata; a stratum with too few of them joins the next, the last one that before."""
    lasts = [stratum.last for stratum in strata]
    sorted_rows: list[list[EndedRow]] = [[] for _ in strata]
    for row in ended:
        sorted_rows[min(bisect_left(lasts, bucket_of(row.prompt_tokens)), len(lasts) - 1)].append(row)
    groups: list[_Group] = []
    for stratum, rows in zip(strata, sorted_rows, strict=True):
        if groups and not _is_enough(groups[-1]):
            groups[-1] = _joined(groups[-1], _Group(stratum, rows))
        else:
            groups.append(_Group(stratum, rows))
    if len(groups) > 1 and not _is_enough(groups[-1]):
        groups[-2:] = [_joined(*groups[-2:])]
    return groups


def _is_enough(group: _Group) -> bool:
    return len(group.ended) >= min(LEAST_ROWS, group.stratum.rows)


def _joined(one: _Group, other: _Group) -> _Group:
    return _Group(one.stratum.joined(other.stratum), one.ended + other.ended)


def _ratio(groups: Sequence[_Group]) -> float:
    counted = estimated = 0.0
    for stratum, ended in groups:
        weight = stratum.rows / len(ended)
        counted += weight * sum(row.input_tokens for row in ended)
        estimated += weight * sum(row.prompt_tokens for row in ended)
    return counted / estimated if estimated else 0.0


def _total(groups: Sequence[_Group], values: Sequence[Sequence[float]], slope: float, spent: float) -> Interval:
    """Return the sum over all rows, of which `slope` for each token of a prompt is known; never below what is spent."""
    known = slope * sum(stratum.tokens for stratum, _ in groups)
    cells = [
        Cell(stratum.rows, [value - slope * row.prompt_tokens for value, row in zip(mine, ended, strict=True)])
        for (stratum, ended), mine in zip(groups, values, strict=True)
    ]
    rest = sum_of(cells)
    low, value, high = (max(spent, known + part) for part in (rest.low, rest.value, rest.high))
    return Interval(value, low, high)
