"""The adaptive ceiling: cut on overload and slowness, grows with successes, disappears."""

import asyncio
import itertools

import pytest

from tests.workers.ratelimit.callers import BUCKET
from workers.ratelimit.keys import bucket_key
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Grant, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database

TUNING = Tuning(cut_pause=0.1, slow_after=0.0)


class Overloaded:
    """A process that had `held` calls in flight when the provider was overloaded."""

    def __init__(self, held: int) -> None:
        self.limiter, self.held = Limiter("p", TUNING), held

    async def tell(self, wanted: int = 0, **report: float) -> Grant:
        told = Report(in_flight=self.held, waiting=wanted, **report)
        return await self.limiter.exchange(BUCKET, Limits(), told, [1] * wanted)


def ceiling() -> int | None:
    return bucket_states([BUCKET])[BUCKET].ceiling


async def test_there_is_no_ceiling_before_the_first_overload() -> None:
    process = Overloaded(1000)
    assert len((await process.tell(wanted=500, succeeded=100)).delays) == 500
    assert ceiling() is None


async def test_overload_cuts_to_seven_tenths_of_what_was_in_flight() -> None:
    process = Overloaded(100)
    await process.tell()
    process.held = 60
    grant = await process.tell(wanted=40, overloaded=40, failed=40, succeeded=40)
    assert ceiling() == 70
    assert (len(grant.delays), grant.binding) == (10, Binding.ADAPTIVE)


async def test_the_ceiling_is_cut_once_per_pause_and_latency() -> None:
    process = Overloaded(100)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    assert ceiling() == 70
    await asyncio.sleep(0.12)
    process.held = 70
    await process.tell(overloaded=1, failed=1, succeeded=1)
    # What was granted before counts where more was in flight.
    assert ceiling() == 49
    await process.tell(succeeded=1, slowness=0.01, latency=30.0)
    await asyncio.sleep(0.12)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    assert ceiling() == 49


async def test_the_ceiling_never_falls_below_one() -> None:
    process = Overloaded(2)
    for _ in range(4):
        await process.tell(overloaded=1, failed=1, succeeded=1)
        process.held = 1
        await asyncio.sleep(0.11)
    assert ceiling() == 1


async def test_the_ceiling_grows_while_it_is_used_and_disappears_at_twice_the_first_cut() -> None:
    process = Overloaded(100)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    process.held = 70
    await process.tell()
    await process.tell(succeeded=70)
    # A quarter of what is missing to the 100 at which the cut came.
    assert ceiling() == 77
    process.held = 30
    await process.tell()
    await process.tell(succeeded=70)
    assert ceiling() == 77
    for _ in range(40):
        process.held = ceiling() or 0
        if process.held:
            await process.tell(succeeded=process.held)
    assert ceiling() is None


async def test_the_ceiling_grows_slowly_near_the_last_cut_and_fast_beyond_it() -> None:
    process = Overloaded(1000)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    grown = [700]
    while grown[-1] < 1200:
        process.held = grown[-1]
        await process.tell(succeeded=grown[-1])
        grown.append(ceiling() or 0)
    rounds = [(after - before) / before for before, after in itertools.pairwise(grown)]
    far, near, beyond = (
        rounds[0],
        [gain for size, gain in zip(grown, rounds, strict=False) if 980 < size < 1045],
        rounds[-1],
    )
    assert far == pytest.approx(0.107, abs=0.003)
    assert max(near) < 0.011
    assert beyond == pytest.approx(0.05, abs=0.003)


async def test_of_a_wave_that_is_mostly_refused_the_ceiling_is_what_was_taken() -> None:
    first, second = Limiter("p", TUNING), Limiter("q", TUNING)
    for limiter in (first, second):
        await limiter.exchange(BUCKET, Limits(), Report(in_flight=200), [])
    refused = {"overloaded": 150, "failed": 150}
    await first.exchange(BUCKET, Limits(), Report(in_flight=50, **refused), [])
    assert ceiling() == 175
    await second.exchange(BUCKET, Limits(), Report(in_flight=50, **refused), [])
    assert ceiling() == 100
    # It grows from there, since so much was taken.
    await first.exchange(BUCKET, Limits(), Report(in_flight=50, succeeded=50), [])
    assert ceiling() == 100
    await second.exchange(BUCKET, Limits(), Report(in_flight=50, succeeded=60), [])
    assert ceiling() == 101


async def test_the_refusals_of_a_wave_may_come_in_many_reports() -> None:
    process = Overloaded(200)
    await process.tell()
    for left in range(195, 100, -5):
        process.held = left
        await process.tell(overloaded=5, failed=5)
    # Within a tenth.
    assert 100 <= (ceiling() or 0) <= 112


async def test_late_refusals_of_single_calls_take_no_places_away() -> None:
    process = Overloaded(100)
    await process.tell(overloaded=1, failed=1, succeeded=3)
    assert ceiling() == 70
    for _ in range(20):
        process.held = 69
        await process.tell(overloaded=1, failed=1)
    assert ceiling() == 70


async def test_a_server_that_becomes_slow_is_given_less_but_not_less_than_sixteen() -> None:
    process = Overloaded(40)
    await process.tell(succeeded=10, slowness=0.01, latency=1.0)
    assert ceiling() is None
    for _ in range(12):
        await process.tell(succeeded=1, slowness=0.08, latency=8.0)
    assert ceiling() == 28


async def test_slowness_cuts_stop_at_sixteen() -> None:
    process = Overloaded(18)
    await process.tell(succeeded=10, slowness=0.01, latency=0.001)
    for _ in range(12):
        await process.tell(succeeded=1, slowness=0.08, latency=8.0)
    assert ceiling() == 16
    few = Overloaded(9)
    few.limiter = Limiter("few", TUNING)
    await few.tell(succeeded=1, slowness=0.08, latency=8.0)
    assert ceiling() == 16


async def test_slowness_that_does_not_last_cuts_nothing() -> None:
    process = Overloaded(40)
    process.limiter = Limiter("p", Tuning(slow_after=0.3, slow_silence=0.1))
    await process.tell(succeeded=10, slowness=0.01, latency=1.0)
    for _ in range(4):
        await process.tell(succeeded=1, slowness=0.08, latency=8.0)
        await asyncio.sleep(0.05)
    assert ceiling() is None
    await asyncio.sleep(0.15)
    # After a silence it begins anew.
    for _ in range(4):
        await process.tell(succeeded=1, slowness=0.08, latency=8.0)
        await asyncio.sleep(0.05)
    assert ceiling() is None
    for _ in range(5):
        await process.tell(succeeded=1, slowness=0.08, latency=8.0)
        await asyncio.sleep(0.05)
    assert ceiling() == 28


async def test_a_cut_that_makes_nothing_faster_is_taken_back_and_slow_is_usual_from_then_on() -> None:
    process = Overloaded(100)
    process.limiter = Limiter("p", Tuning(cut_pause=0.05, slow_after=0.0, slow_extra=0.05))
    await process.tell(succeeded=10, slowness=0.001, latency=0.001)
    for _ in range(6):
        await process.tell(succeeded=1, slowness=0.1, latency=0.1)
    assert ceiling() == 70
    await asyncio.sleep(0.25)
    await process.tell(succeeded=1, slowness=0.1, latency=0.1)
    assert ceiling() is None
    for _ in range(6):
        await process.tell(succeeded=1, slowness=0.1, latency=0.1)
        await asyncio.sleep(0.05)
    assert ceiling() is None


class Slow(Overloaded):
    """A process whose calls are slow, though they once were fast."""

    def __init__(self, held: int) -> None:
        super().__init__(held)
        self.limiter = Limiter("p", Tuning(cut_pause=0.05, slow_after=0.0, slow_extra=0.05))

    async def be_fast(self) -> None:
        await self.tell(succeeded=1, slowness=0.001, latency=0.001)

    async def be_slow(self, reports: int = 6) -> None:
        for _ in range(reports):
            await self.tell(succeeded=1, slowness=0.1, latency=0.1)


async def test_slowness_that_a_cut_did_not_mend_leaves_the_ceiling_that_overload_had_set() -> None:
    process = Slow(100)
    await process.be_fast()
    await process.tell(overloaded=1, failed=1, succeeded=1)
    assert ceiling() == 70
    process.held = 60
    await process.tell()
    await asyncio.sleep(0.1)
    await process.be_slow()
    assert ceiling() == 42
    await asyncio.sleep(0.25)
    await process.be_slow(1)
    assert ceiling() == 70
    assert connection().hmget(bucket_key(BUCKET), "threshold", "first_cut") == [b"70", b"100"]


async def test_slowness_of_too_few_calls_to_cut_leaves_the_ceiling_alone() -> None:
    process = Slow(12)
    await process.be_fast()
    await process.tell(overloaded=1, failed=1, succeeded=1)
    assert ceiling() == 8
    process.held = 8
    await process.tell()
    await asyncio.sleep(0.1)
    await process.be_slow()
    await asyncio.sleep(0.25)
    await process.be_slow(3)
    assert ceiling() == 8


async def test_overload_after_a_cut_for_slowness_is_not_taken_back_with_it() -> None:
    process = Slow(100)
    await process.be_fast()
    await process.be_slow()
    assert ceiling() == 70
    process.held = 70
    await process.tell()
    await asyncio.sleep(0.15)
    await process.tell(overloaded=1, failed=1, succeeded=1)
    assert ceiling() == 49
    await asyncio.sleep(0.25)
    await process.be_slow(1)
    assert 0 < (ceiling() or 0) <= 49


async def test_calls_that_go_first_do_not_wait_for_a_ceiling_that_slowness_set() -> None:
    process = Overloaded(100)
    await process.tell(succeeded=1, slowness=0.01, latency=1.0)
    for _ in range(10):
        await process.tell(succeeded=1, slowness=1.0, latency=30.0)
    assert ceiling() == 70
    told = Report(in_flight=100, waiting=30)
    grant = await process.limiter.exchange(BUCKET, Limits(), told, [1] * 30, front=20)
    assert (len(grant.delays), grant.binding) == (20, Binding.ADAPTIVE)
    # One that overload set holds for them too.
    await asyncio.sleep(0.15)
    process.held = 100
    await process.tell(overloaded=1, failed=1, succeeded=5)
    grant = await process.limiter.exchange(BUCKET, Limits(), told, [1] * 30, front=20)
    assert len(grant.delays) == 0


async def test_longer_answers_are_not_slowness() -> None:
    process = Overloaded(40)
    await process.tell(succeeded=10, slowness=0.01, latency=1.0)
    for _ in range(12):
        await process.tell(succeeded=1, slowness=0.012, latency=60.0)
    assert ceiling() is None


async def test_two_processes_share_the_adaptive_ceiling() -> None:
    first = Overloaded(40)
    await first.tell()
    await first.tell(overloaded=1, failed=1, succeeded=1)
    second = await Limiter("q", TUNING).exchange(BUCKET, Limits(), Report(waiting=9), [1] * 9)
    assert (second.delays, second.binding) == ((), Binding.ADAPTIVE)
    first.held = 10
    assert (await first.tell(wanted=20)).delays == (0.0,) * 4
