"""The breaker: opens when most calls fail, lets one probe through now and then, closes on a success."""

import asyncio

import pytest

from tests.workers.ratelimit.callers import BUCKET
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Grant, Limits, Report

pytestmark = pytest.mark.any_database

TUNING = Tuning(breaker_slice=1.0, probe_pause=0.4)


async def tell(limiter: Limiter, wanted: int = 0, in_flight: int = 0, **report: int) -> Grant:
    told = Report(in_flight=in_flight, waiting=wanted, **report)
    return await limiter.exchange(BUCKET, Limits(), told, [1] * wanted)


def breaker() -> str:
    return bucket_states([BUCKET])[BUCKET].breaker


async def test_it_opens_on_ten_failures_that_are_most_of_all() -> None:
    limiter = Limiter("p", TUNING)
    await tell(limiter, failed=9)
    assert breaker() == "closed"
    grant = await tell(limiter, wanted=50, failed=1)
    assert breaker() == "open"
    assert (grant.delays, grant.binding) == ((), Binding.BREAKER)
    assert grant.retry_in == pytest.approx(0.4, abs=0.01)


async def test_a_first_wave_of_which_a_part_is_taken_opens_nothing_but_lasting_overload_does() -> None:
    limiter = Limiter("p", Tuning(overload_patience=0.2))
    await tell(limiter, in_flight=100, overloaded=300, failed=300)
    assert breaker() == "closed"
    await tell(limiter, in_flight=100, succeeded=100)
    await tell(limiter, in_flight=100, overloaded=10, failed=10)
    await asyncio.sleep(0.25)
    await tell(limiter, in_flight=100, overloaded=140, failed=140)
    assert breaker() == "closed"
    await tell(limiter, in_flight=100, overloaded=30, failed=30)
    assert breaker() == "open"


async def test_overload_is_young_again_after_a_long_silence() -> None:
    limiter = Limiter("p", Tuning(overload_patience=0.1, overload_memory=0.2))
    for _ in range(2):
        await tell(limiter, in_flight=50, overloaded=20, failed=20)
        await asyncio.sleep(0.3)
    assert breaker() == "closed"


async def test_overload_that_leaves_nothing_in_flight_counts_at_once() -> None:
    await tell(Limiter("p", Tuning(overload_patience=60)), in_flight=3, overloaded=20, failed=20)
    assert breaker() == "open"


async def test_other_failures_beside_overload_count_at_once() -> None:
    limiter = Limiter("p", Tuning(overload_patience=60))
    await tell(limiter, in_flight=50, overloaded=20, failed=30)
    assert breaker() == "open"


@pytest.mark.parametrize("seconds", [0.005, 0.06, 0.12, 0.3])
async def test_it_opens_soon_however_late_a_provider_that_bears_nothing_refuses(seconds: float) -> None:
    # All at a twentieth of the real lengths: refusals after 0.1, 1.2, 2.4 and 6 s.
    tuning = Tuning(
        overload_patience=0.1,
        overload_memory=3.0,
        breaker_slice=0.25,
        probe_pause=0.25,
        cut_pause=0.05,
        ceiling_retry=0.005,
        longest_ceiling_retry=0.05,
    )
    limiters = [Limiter(name, tuning) for name in "pq"]
    in_flight: dict[Limiter, list[float]] = {limiter: [] for limiter in limiters}
    loop = asyncio.get_running_loop()
    began, slots, opened, later = loop.time(), 50, None, 0
    while loop.time() - began < seconds + 1.0:
        for limiter, ends in in_flight.items():
            refused = sum(1 for end in ends if end <= loop.time())
            ends[:] = [end for end in ends if end > loop.time()]
            wanted = slots - len(ends)
            grant = await tell(limiter, wanted, len(ends), overloaded=refused, failed=refused)
            ends += [loop.time() + seconds] * len(grant.delays)
            if opened is not None:
                later += len(grant.delays)
        if opened is None and breaker() == "open":
            opened = loop.time() - began
        await asyncio.sleep(0.005)
    # 10 s after the first refusal at the latest, and then a probe each 5 s.
    assert opened is not None
    assert opened < seconds + 0.5
    assert later <= (seconds + 1.0 - opened) / 0.25 + 1


async def test_it_stays_closed_while_four_of_ten_succeed() -> None:
    limiter = Limiter("p", TUNING)
    for _ in range(10):
        await tell(limiter, failed=5, succeeded=4)
    assert breaker() == "closed"
    await tell(limiter, failed=20)
    assert breaker() == "open"


async def test_failures_of_long_ago_do_not_count() -> None:
    limiter = Limiter("p", Tuning(breaker_slice=0.1))
    await tell(limiter, failed=9)
    await asyncio.sleep(0.25)
    await tell(limiter, failed=9)
    assert breaker() == "closed"


async def test_while_it_is_open_all_processes_together_send_one_probe_per_pause() -> None:
    limiters = [Limiter(f"p{i}", TUNING) for i in range(3)]
    await tell(limiters[0], failed=20)
    probes, end = 0, asyncio.get_running_loop().time() + 1.5
    while asyncio.get_running_loop().time() < end:
        for limiter in limiters:
            grant = await tell(limiter, wanted=50)
            assert grant.is_probe == (len(grant.delays) == 1)
            assert grant.binding is Binding.BREAKER
            assert 0 < grant.retry_in <= 0.4
            probes += len(grant.delays)
        await asyncio.sleep(0.02)
    assert probes == 3


async def test_a_success_closes_it_and_calls_come_back_slowly() -> None:
    limiter = Limiter("p", TUNING)
    await tell(limiter, in_flight=100)
    await tell(limiter, failed=60, in_flight=40)
    await asyncio.sleep(0.42)
    assert (await tell(limiter, wanted=500)).is_probe
    grant = await tell(limiter, wanted=500, succeeded=1)
    assert breaker() == "closed"
    assert (len(grant.delays), grant.binding, grant.is_probe) == (10, Binding.ADAPTIVE, False)
    grant = await tell(limiter, wanted=500, succeeded=10)
    assert len(grant.delays) == 20
    grant = await tell(limiter, wanted=500, succeeded=20)
    assert len(grant.delays) == 40
    await tell(limiter, wanted=500, succeeded=40)
    await tell(limiter, wanted=500, in_flight=80, succeeded=1)
    assert 80 <= (bucket_states([BUCKET])[BUCKET].ceiling or 0) <= 82, "fast growth ends at half of what was in flight"


async def test_a_failed_probe_keeps_it_open() -> None:
    limiter = Limiter("p", TUNING)
    await tell(limiter, failed=20)
    await asyncio.sleep(0.42)
    assert (await tell(limiter, wanted=1)).is_probe
    assert (await tell(limiter, wanted=5, failed=1)).delays == ()
    assert breaker() == "open"


async def test_a_probe_keeps_to_the_ceiling() -> None:
    limiter, limits = Limiter("p", TUNING), Limits(max_concurrency=2)
    await limiter.exchange(BUCKET, limits, Report(in_flight=2, failed=20), [])
    await asyncio.sleep(0.42)
    grant = await limiter.exchange(BUCKET, limits, Report(in_flight=2, waiting=5), [1] * 5)
    assert (grant.delays, grant.is_probe, grant.binding) == ((), False, Binding.CONCURRENCY)
    grant = await limiter.exchange(BUCKET, limits, Report(in_flight=1, waiting=5), [1] * 5)
    assert (grant.delays, grant.is_probe, grant.binding) == ((0.0,), True, Binding.BREAKER)
