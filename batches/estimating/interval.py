"""A 90% interval for a sum over a whole batch, from some of its rows by strata. Pure: numbers in, numbers out.

The sum is estimated as for a stratified sample, its variance with the finite-population correction, and its degrees of
freedom after Satterthwaite (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, sections 5.3 to 5.6).

Lengths of answers have long tails to the right, which a small sample shows too little of, so that an interval of
Student's t alone lies too low. The upper end is that of Hall's cubic transformation, which corrects for skewness (P.
Hall, "On the removal of skewness by transformation", Journal of the Royal Statistical Society B 54 (1992), 221-228; in
this form in X.-H. Zhou and S. Gao, The American Statistician 54 (2000), 100-104), the lower end Student's, or the
other way round where the tail is to the left: of both intervals the further ends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .student import student_quantile

CONFIDENCE = 0.90
# So many times the skewness of the sample is taken for that of the batch: samples of 20 to 100 of lognormal lengths
# show some two thirds of it. Measured: docs/estimates.md.
SKEW_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its 90% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A stratum of `rows` rows, of which these have the `values`; at least two, or all."""

    rows: int
    values: Sequence[float]


def sum_of(cells: Sequence[Cell]) -> Interval:
    """Return the sum of the values of all rows of `cells`. It is exact where all are known."""
    total = variance = third = freedom = 0.0
    for cell in cells:
        mean, square, cube = _moments(cell.values)
        known = len(cell.values)
        part = known / cell.rows
        spread = cell.rows**2 * (1 - part) * square / known
        total += cell.rows * mean
        variance += spread
        third += cell.rows**3 * (1 - part) * (1 - 2 * part) * cube / known**2
        freedom += spread**2 / (known - 1) if known > 1 else 0.0
    if not variance:
        return Interval(total, total, total)
    return _interval(total, math.sqrt(variance), third, max(1.0, variance**2 / freedom))


def _moments(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, and unbiased estimates of the second and third central moments (0 where there are too few)."""
    n = len(values)
    mean = math.fsum(values) / n
    deviations = [value - mean for value in values]
    square = math.fsum(it * it for it in deviations) / (n - 1) if n > 1 else 0.0
    cube = n * math.fsum(it**3 for it in deviations) / ((n - 1) * (n - 2)) if n > 2 else 0.0
    return mean, square, cube


def _interval(total: float, error: float, third: float, freedom: float) -> Interval:
    quantile = student_quantile((1 + CONFIDENCE) / 2, freedom)
    skew = SKEW_FACTOR * third / error**3
    low = max(quantile, _untransformed(quantile, skew))
    high = min(-quantile, _untransformed(-quantile, skew))
    return Interval(total, total - error * low, total - error * high)


def _untransformed(quantile: float, skew: float) -> float:
    """Return the inverse of Hall's transformation; `skew` is the skewness of the estimate itself."""
    if abs(skew) < 1e-6:
        return quantile
    return 3 / skew * (math.cbrt(1 + skew * (quantile - skew / 6)) - 1)
