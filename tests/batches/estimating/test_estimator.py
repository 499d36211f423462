"""The estimator: exact where all is known, right on the average, and its 90% intervals hold in about nine of ten."""

import math
import random

import pytest

from batches.estimating.estimator import estimate_totals
from batches.estimating.interval import Cell, sum_of
from tests.support.simulated_costs import (
    INPUT_PRICE,
    Lengths,
    alike,
    frame_of,
    is_held,
    mixed,
    pilot_of,
    priced,
    simulated_batch,
)

DRAWS, ROWS = 200, 400


@pytest.mark.parametrize("lengths", [alike, mixed])
@pytest.mark.parametrize("sigma", [0.4, 1.0])
@pytest.mark.parametrize("sample", [20, 100])
def test_the_interval_holds_in_about_nine_of_ten_batches(lengths: Lengths, sigma: float, sample: int) -> None:
    draw, held, ratios = random.Random(f"{lengths.__name__} {sigma} {sample}"), 0, []
    for seed in range(DRAWS):
        rows = simulated_batch(draw, lengths, sigma, ROWS)
        totals = pilot_of(rows, sample, seed)
        held += is_held(rows, totals)
        ratios.append(totals.cost.value / sum(row.cost for row in rows))
    assert 0.86 <= held / DRAWS <= 0.97
    assert math.fsum(ratios) / DRAWS == pytest.approx(1, abs=0.03)


def test_a_batch_of_which_all_is_known_is_exact() -> None:
    rows = simulated_batch(random.Random(1), mixed, 0.7, rows=90)
    totals = estimate_totals(frame_of(rows), rows, INPUT_PRICE)
    for interval, truth in (
        (totals.cost, sum(row.cost for row in rows)),
        (totals.input_tokens, sum(row.input_tokens for row in rows)),
        (totals.output_tokens, sum(row.output_tokens for row in rows)),
    ):
        assert (interval.low, interval.value, interval.high) == pytest.approx((truth,) * 3)


def test_the_input_is_known_where_the_provider_counts_in_proportion() -> None:
    rows = [priced(prompt, prompt * 2, 10) for prompt in range(10, 210)]
    totals = estimate_totals(frame_of(rows), rows[::10], INPUT_PRICE)
    truth = sum(row.input_tokens for row in rows)
    assert totals.ratio == pytest.approx(2)
    assert (totals.input_tokens.low, totals.input_tokens.high) == pytest.approx((truth, truth))
    assert totals.cost.low == pytest.approx(sum(row.cost for row in rows))


def test_more_rows_make_a_narrower_interval() -> None:
    rows = simulated_batch(random.Random(3), alike, 0.6)
    widths = []
    for sample in (20, 80, 320):
        cost = estimate_totals(frame_of(rows), rows[:sample], INPUT_PRICE).cost
        widths.append(cost.high - cost.low)
    assert widths[0] > 1.5 * widths[1] > 2.2 * widths[2]


def test_a_long_tail_moves_the_upper_end_more_than_the_lower() -> None:
    tail = sum_of([Cell(1_000, [1, 1, 1, 1, 1, 1, 1, 1, 2, 12])])
    assert tail.high - tail.value > 2 * (tail.value - tail.low)
    mirrored = sum_of([Cell(1_000, [-1, -1, -1, -1, -1, -1, -1, -1, -2, -12])])
    assert (mirrored.low, mirrored.high) == pytest.approx((-tail.high, -tail.low))


def test_no_estimate_is_below_what_is_spent_already() -> None:
    rows = [priced(50, 50, 10)] * 49 + [priced(50, 50, 100_000)]
    known = rows[40:]
    totals = estimate_totals(frame_of(rows), known, INPUT_PRICE)
    assert totals.cost.low >= sum(row.cost for row in known)
    assert totals.output_tokens.low >= sum(row.output_tokens for row in known)


def test_strata_without_rows_that_ended_join_their_neighbours() -> None:
    short, long = [priced(20, 20, 5)] * 80, [priced(4_000, 4_000, 50)] * 20
    totals = estimate_totals(frame_of(short + long), short[:40], INPUT_PRICE)
    assert totals.output_tokens.value == pytest.approx(100 * 5)
    assert totals.input_tokens.value == pytest.approx(80 * 20 + 20 * 4_000)


@pytest.mark.parametrize("known", [0, 1])
def test_too_few_rows_are_refused(known: int) -> None:
    rows = [priced(50, 50, 10)] * 10
    with pytest.raises(ValueError, match="at least two"):
        estimate_totals(frame_of(rows), rows[:known])


def test_a_batch_of_one_row_is_known_by_it() -> None:
    rows = [priced(50, 50, 10)]
    assert estimate_totals(frame_of(rows), rows).output_tokens.value == 10
