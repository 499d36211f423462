"""Calls that need a large part of the token limit: no window holds more than the limit, and nobody starves."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import Caller, Ledger, run_together, sharp
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Limits

pytestmark = pytest.mark.any_database

# A window of half a second, in which 500 tokens may be started. The margin makes up for slices and lateness as in a
# window of a minute.
TUNING = Tuning(margin=0.9, window=0.5, lateness=0.03, slice=0.01, horizon=0.1, catch_up=0.025)
REACH = TUNING.window + TUNING.lateness
LIMITS = Limits(tokens_per_minute=60_000)


def fullest(ledger: Ledger) -> int:
    return ledger.fullest(REACH - 2 * ledger.blur)


def tokens(ledger: Ledger) -> int:
    return sum(cost for _, cost in ledger.starts)


@sharp
async def test_no_window_holds_more_than_the_limit_where_calls_are_large() -> None:
    ledger = Ledger()
    await run_together([Caller(f"p{i}", ledger, LIMITS, [150, 125] * 20, tuning=TUNING) for i in range(3)], 2)
    assert fullest(ledger) <= 500
    assert tokens(ledger) >= 1200


@sharp
async def test_calls_that_fill_the_window_evenly_use_it_wholly() -> None:
    ledger = Ledger()
    await run_together([Caller(f"p{i}", ledger, LIMITS, [50] * 60, tuning=TUNING) for i in range(3)], 2)
    assert fullest(ledger) <= 500
    assert tokens(ledger) >= 0.85 * 1000 * 1.9 * TUNING.window / REACH


@sharp
async def test_a_large_call_gets_its_turn_among_small_ones_of_others() -> None:
    ledger = Ledger()
    small = [Caller(f"p{i}", ledger, LIMITS, [5] * 900, tuning=TUNING) for i in range(3)]
    large = Caller("large", ledger, LIMITS, [300, 300], tuning=TUNING)
    await run_together([*small, large], 2.5)
    assert large.started == 2
    assert fullest(ledger) <= 500
    assert tokens(ledger) >= 0.7 * 2400


@sharp
async def test_a_call_larger_than_the_limit_goes_alone() -> None:
    ledger = Ledger()
    small = Caller("small", ledger, LIMITS, [5] * 500, tuning=TUNING)
    huge = Caller("huge", ledger, LIMITS, [5000], tuning=TUNING)
    await run_together([small, huge], 2.5)
    ledger.require_sharpness()
    [at] = [at for at, cost in ledger.starts if cost == 5000]
    near = [other for other, cost in ledger.starts if cost == 5 and abs(other - at) < REACH - 2 * ledger.blur]
    assert near == []
    assert small.started > 100


async def test_a_process_that_has_the_turn_and_vanishes_keeps_nobody_for_ever() -> None:
    ledger = Ledger()
    small = Caller("small", ledger, LIMITS, [5] * 500, tuning=TUNING)
    await small.run(0.7)
    await Caller("gone", ledger, LIMITS, [450], tuning=TUNING).exchange()
    started = small.started
    await small.run(0.3)
    assert small.started == started
    await small.run(1.8)
    assert small.started > started + 50


@pytest.mark.parametrize(("given_back", "least", "most"), [(0, 3, 6), (225, 7, 22)])
async def test_tokens_given_back_make_room_in_the_window(given_back: int, least: int, most: int) -> None:
    caller = Caller("p", Ledger(), LIMITS, [250] * 40, tuning=TUNING)
    settled = 0
    for _ in range(12):
        caller.report.tokens = -given_back * (caller.started - settled)
        settled = caller.started
        await caller.exchange()
        await asyncio.sleep(0.11)
    assert least <= caller.started <= most
