"""Quantiles of Student's t distribution, which the standard library lacks."""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def student_quantile(probability: float, freedom: float) -> float:
    """Return the value below which `probability` of Student's t with `freedom` degrees (1 or more) lies.

    By G. W. Hill, "Algorithm 396: Student's t-quantiles", Communications of the ACM 13 (1970), 619-620; it is right to
    six digits, for degrees that are no whole number too. Raises ValueError outside these ranges.
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError("a probability between 0 and 1, and at least 1 degree of freedom")
    tails = 2 * min(probability, 1 - probability)
    return math.copysign(_two_tailed(tails, freedom), probability - 0.5)


def _two_tailed(tails: float, n: float) -> float:
    """Return the t that `tails` of all values lie beyond, on both sides together."""
    if n == 1:
        return 1 / math.tan(tails * math.pi / 2)
    if n == 2:
        return math.sqrt(2 / (tails * (2 - tails)) - 2)
    a = 1 / (n - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    y = (d * tails) ** (2 / n)
    if y > 0.05 + a:
        return math.sqrt(n * _near_normal(tails, n, (a, b, c, d)))
    y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (n + 2) + (
        1 / y
    )
    return math.sqrt(n * y)


def _near_normal(tails: float, n: float, terms: tuple[float, float, float, float]) -> float:
    """Return t squared over n by Hill's expansion about the normal quantile."""
    a, b, c, d = terms
    x = _NORMAL.inv_cdf(tails / 2)
    y = x * x
    if n < 5:
        c += 0.3 * (n - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.expm1(a * y * y)
