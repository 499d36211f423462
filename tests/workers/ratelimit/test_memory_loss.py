"""What happens to limits when Redis forgets, restarts or is gone."""

import asyncio
import itertools
import os
import signal
import time

import pytest
import redis

from tests.workers.ratelimit.callers import BUCKET, Caller, Ledger, run_together, sharp
from workers.embedded.valkey import EmbeddedValkey
from workers.presence import announce
from workers.ratelimit.keys import bucket_key
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding, Bucket, Limits, Report
from workers.redis import async_connection, close_async_connection, connection

pytestmark = pytest.mark.any_database


async def flush_after(seconds: float) -> None:
    await asyncio.sleep(seconds)
    await async_connection().flushall()


@sharp
async def test_a_flush_never_lets_requests_exceed_the_limit() -> None:
    ledger, limits = Ledger(), Limits(requests_per_minute=6000)
    callers = [Caller(f"p{i}", ledger, limits, [1] * 400) for i in range(3)]
    await asyncio.gather(run_together(callers, 2.5), flush_after(0.9), flush_after(1.7))
    for window in (0.1, 0.5, 1.0):
        assert ledger.worst_excess(98, window) <= 0.001, window
    assert len(ledger.starts) >= 50


@sharp
async def test_a_flush_never_lets_large_calls_exceed_the_limit() -> None:
    tuning = Tuning(window=0.5, lateness=0.03, slice=0.01, horizon=0.1, catch_up=0.025)
    ledger, limits = Ledger(), Limits(tokens_per_minute=60_000)
    callers = [Caller(f"p{i}", ledger, limits, [75] * 40, tuning=tuning) for i in range(3)]
    await asyncio.gather(run_together(callers, 2), flush_after(0.9))
    assert ledger.fullest(0.53 - 2 * ledger.blur) <= 500
    assert len(ledger.starts) >= 10


async def test_a_flush_never_lets_calls_in_flight_exceed_the_ceiling() -> None:
    ledger, limits = Ledger(), Limits(max_concurrency=20)
    for number in range(3):
        announce(f"p{number}", {"slots": 1, "busy": 0})
    callers = [Caller(f"p{i}", ledger, limits, [1] * 1000, seconds=0.15 + 0.1 * i) for i in range(3)]
    await asyncio.gather(run_together(callers, 1.6), flush_after(0.5), flush_after(1.0))
    assert ledger.most_in_flight == 20
    assert len(ledger.starts) > 40


async def test_each_worker_of_a_new_bucket_gets_its_part_of_the_ceiling() -> None:
    for number in range(4):
        announce(f"p{number}", {"slots": 1, "busy": 0})
    tuning, limits = Tuning(settling=0.3), Limits(max_concurrency=20)
    first = Limiter("p0", tuning)
    assert len((await first.exchange(BUCKET, limits, Report(waiting=30), [1] * 30)).delays) == 5
    assert len((await first.exchange(BUCKET, limits, Report(in_flight=5, waiting=25), [1] * 25)).delays) == 0
    await asyncio.sleep(0.35)
    assert len((await first.exchange(BUCKET, limits, Report(in_flight=5, waiting=25), [1] * 25)).delays) == 15


async def test_the_parts_end_when_all_workers_have_spoken() -> None:
    announce("p0", {"slots": 1, "busy": 0})
    announce("p1", {"slots": 1, "busy": 0})
    limits = Limits(max_concurrency=20)
    assert len((await Limiter("p0").exchange(BUCKET, limits, Report(waiting=9), [1] * 9)).delays) == 9
    assert len((await Limiter("p1").exchange(BUCKET, limits, Report(waiting=20), [1] * 20)).delays) == 11


async def test_a_new_bucket_waits_out_what_redis_may_have_forgotten_a_new_process_does_not() -> None:
    limits = Limits(requests_per_minute=600)
    [delay] = (await Limiter("p").exchange(BUCKET, limits, Report(waiting=1), [1])).delays
    assert delay == pytest.approx(0.5, abs=0.001)
    await asyncio.sleep(0.8)
    assert (await Limiter("q").exchange(BUCKET, limits, Report(waiting=1), [1])).delays == (0.0,)


async def test_where_the_server_does_not_tell_its_run_a_new_process_waits_too() -> None:
    limits = Limits(requests_per_minute=600)
    await Limiter("p").exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(0.8)
    connection().hdel(bucket_key(BUCKET), "run")
    [delay] = (await Limiter("q").exchange(BUCKET, limits, Report(waiting=1), [1])).delays
    assert delay == pytest.approx(0.5, abs=0.001)


async def test_a_report_that_the_connection_sent_twice_is_counted_once() -> None:
    limiter = Limiter("p")
    limiter._sequence = itertools.repeat(1_800_000_000_000_000)
    for _ in range(2):
        await limiter.exchange(BUCKET, Limits(), Report(refused=3, tokens=50, in_flight=4), [])
    state = bucket_states([BUCKET])[BUCKET]
    assert (state.refused, state.tokens, state.in_flight) == (3, 50, 4)


async def test_a_clock_that_jumped_back_delays_by_a_minute_at_most() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=600)
    await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])
    hour_ahead = int((time.time() + 3600) * 1e6)
    connection().hset(bucket_key(BUCKET), "request_at", hour_ahead)
    assert (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).retry_in <= 61.3


async def test_a_flush_lets_a_slow_bucket_make_no_call_too_many() -> None:
    limiter, limits = Limiter("p"), Limits(requests_per_minute=60)
    await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])
    connection().flushall()
    grant = await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])
    assert (grant.delays, grant.binding) == ((), Binding.REQUESTS)
    assert grant.retry_in == pytest.approx(1 / 0.98, abs=0.01)


async def test_after_an_error_starts_are_pushed_once(settings) -> None:
    limits, limiter = Limits(requests_per_minute=600), Limiter("p")
    await limiter.exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(0.8)
    url = settings.REDIS_URL
    await close_async_connection()
    settings.REDIS_URL = "unix:///tmp/arboretum-there-is-no-server-here.sock"
    with pytest.raises(redis.ConnectionError):
        await limiter.exchange(Bucket(7, "another"), limits, Report(waiting=1), [1])
    await close_async_connection()
    settings.REDIS_URL = url
    [delay] = (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).delays
    assert delay == pytest.approx(0.5, abs=0.001)
    [delay] = (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).delays[:1] or [None]
    assert delay is None
    await asyncio.sleep(1.0)
    assert (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).delays == (0.0,)


async def test_a_restart_that_the_connection_hides_is_noticed(embedded: EmbeddedValkey, settings) -> None:
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    limits, limiter = Limits(requests_per_minute=600), Limiter("p")
    await limiter.exchange(BUCKET, limits, Report(), [])
    await asyncio.sleep(1.1)
    assert (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).delays == (0.0,)
    embedded.stop()
    embedded.ensure()
    [delay] = (await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])).delays
    assert delay >= 0.499


async def test_a_dead_server_lets_nothing_start(embedded: EmbeddedValkey, settings) -> None:
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    limiter = Limiter("p")
    await limiter.exchange(BUCKET, Limits(), Report(), [])
    process = embedded.server.process()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(5)
    with pytest.raises(redis.RedisError):
        await limiter.exchange(BUCKET, Limits(), Report(waiting=1), [1])
    with pytest.raises(redis.RedisError):
        await limiter.block(BUCKET, 5, whole_credential=False, reason="429")


async def test_the_scripts_are_sent_again_when_the_server_forgot_them() -> None:
    limiter = Limiter("p")
    await limiter.exchange(BUCKET, Limits(), Report(), [])
    connection().script_flush()
    assert (await limiter.exchange(BUCKET, Limits(), Report(waiting=1), [1])).delays == (0.0,)
    connection().script_flush()
    await limiter.block(BUCKET, 5, whole_credential=False, reason="429")
    assert (await limiter.exchange(BUCKET, Limits(), Report(waiting=1), [1])).delays == ()


async def test_an_answer_that_took_too_long_starts_nothing_where_calls_are_paced(monkeypatch) -> None:
    monkeypatch.setattr("workers.ratelimit.limiter.STALE_ANSWER", -1.0)
    limits, limiter = Limits(requests_per_minute=600), Limiter("p")
    grant = await limiter.exchange(BUCKET, limits, Report(waiting=1), [1])
    assert (grant.delays, grant.retry_in) == ((), 0.1)
    assert (await limiter.exchange(Bucket(7, "unlimited"), Limits(), Report(waiting=1), [1])).delays == (0.0,)
