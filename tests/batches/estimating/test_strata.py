"""Strata of prompts by length, and how many rows of a pilot each of them gets."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.estimating.sampling import choose_places
from batches.estimating.strata import EXACT_TOKENS, LEAST_ROWS, Frame, allocate, bucket_of, make_strata

SIZES = st.lists(st.integers(0, 300_000), min_size=5, max_size=300)


def frame_of(sizes: list[int]) -> Frame:
    frame = Frame()
    for size in sizes:
        frame.add(size)
    return frame


def test_buckets_are_exact_for_usual_prompts_and_in_order_for_all() -> None:
    assert [bucket_of(tokens) for tokens in (0, 1, 500, EXACT_TOKENS - 1)] == [0, 1, 500, EXACT_TOKENS - 1]
    numbers = [bucket_of(tokens) for tokens in range(EXACT_TOKENS * 5)]
    assert numbers == sorted(numbers)
    assert bucket_of(EXACT_TOKENS) == EXACT_TOKENS
    assert bucket_of(2**25) < 1600


@pytest.mark.parametrize("tokens", [2_000, 50_001, 999_999])
def test_a_bucket_of_long_prompts_is_about_three_percent_wide(tokens: int) -> None:
    assert bucket_of(tokens) < bucket_of(round(tokens * 1.04))


@given(SIZES, st.integers(5, 300))
def test_strata_hold_every_row_once_and_pilots_have_their_number(sizes: list[int], wanted: int) -> None:
    sample = min(wanted, len(sizes))
    frame = frame_of(sizes)
    strata = make_strata(frame, sample)
    assert sum(stratum.rows for stratum in strata) == len(sizes)
    assert sum(stratum.tokens for stratum in strata) == sum(sizes)
    assert [stratum.last for stratum in strata] == sorted({stratum.last for stratum in strata})
    numbers = allocate(strata, sample)
    assert sum(numbers) == sample
    for stratum, number in zip(strata, numbers, strict=True):
        assert min(LEAST_ROWS, stratum.rows) <= number <= stratum.rows


@given(SIZES, st.integers(5, 300))
def test_a_pilot_has_distinct_places_in_order(sizes: list[int], wanted: int) -> None:
    sample = min(wanted, len(sizes))
    places = choose_places(sizes, sample, seed=1)
    assert len(places) == sample
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] < len(sizes)


def test_a_pilot_is_the_same_again_and_another_for_another_seed() -> None:
    sizes = [random.Random(7).randrange(10, 500) for _ in range(400)]
    assert choose_places(sizes, 40, seed=3) == choose_places(sizes, 40, seed=3)
    assert choose_places(sizes, 40, seed=3) != choose_places(sizes, 40, seed=4)


def test_rows_alike_are_one_stratum_and_each_has_the_same_chance() -> None:
    sizes = [20] * 50
    assert len(make_strata(frame_of(sizes), 40)) == 1
    chosen = [place for seed in range(400) for place in choose_places(sizes, 5, seed)]
    # 40 times each expected; 4 standard deviations are 24.
    assert all(16 <= chosen.count(place) <= 64 for place in range(50))


def test_a_few_long_prompts_are_a_stratum_of_their_own() -> None:
    sizes = [100] * 500 + [5_000] * 12
    strata = make_strata(frame_of(sizes), 40)
    assert strata[-1].tokens >= 12 * 5_000 / 2
    assert min(bucket_of(5_000), strata[-1].last) == bucket_of(5_000)
    assert {stratum.last for stratum in strata} >= {bucket_of(100), bucket_of(5_000)}
    places = choose_places(sizes, 40, seed=1)
    assert sum(place >= 500 for place in places) >= 10
