"""Quantiles of Student's t against published tables."""

import math

import pytest

from batches.estimating.student import student_quantile

# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, upper critical values of Student's t.
TABLE = {
    0.90: {1: 3.078, 2: 1.886, 3: 1.638, 5: 1.476, 10: 1.372, 30: 1.310, 100: 1.290},
    0.95: {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 10: 1.812, 20: 1.725, 30: 1.697, 100: 1.660},
    0.975: {1: 12.706, 2: 4.303, 4: 2.776, 8: 2.306, 15: 2.131, 40: 2.021, 100: 1.984},
    0.99: {2: 6.965, 3: 4.541, 7: 2.998, 25: 2.485, 60: 2.390},
}


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [(probability, freedom, value) for probability, row in TABLE.items() for freedom, value in row.items()],
)
def test_quantiles_are_those_of_the_table(probability: float, freedom: int, expected: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(expected, abs=6e-4)
    assert student_quantile(1 - probability, freedom) == pytest.approx(-expected, abs=6e-4)


def test_degrees_that_are_no_whole_number_lie_between_their_neighbours() -> None:
    values = [student_quantile(0.95, freedom) for freedom in (2.5, 3, 3.7, 4, 9.99, 10, 10.01, 200)]
    assert values == sorted(values, reverse=True)


def test_the_middle_is_nothing_and_many_degrees_are_normal() -> None:
    assert student_quantile(0.5, 7) == pytest.approx(0, abs=1e-6)
    assert student_quantile(0.95, 1e6) == pytest.approx(1.644854, abs=1e-5)


@pytest.mark.parametrize(("probability", "freedom"), [(0, 3), (1, 3), (0.5, 0.9), (math.nan, 3)])
def test_what_has_no_quantile_is_refused(probability: float, freedom: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        student_quantile(probability, freedom)
