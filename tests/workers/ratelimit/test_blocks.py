"""Blocks of a bucket or a whole credential."""

import asyncio
import time
from contextlib import suppress

import pytest
import redis
import structlog

from tests.support.waiting import wait_for
from tests.workers.ratelimit.callers import BUCKET
from workers import subscription
from workers.embedded.valkey import EmbeddedValkey
from workers.ratelimit.keys import BLOCKS
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.types import Binding, Bucket, Grant, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database

SIBLING, STRANGER = Bucket(7, "other"), Bucket(8, "gpt-tested")
Heard = tuple[int, str | None, float]


async def ask(bucket: Bucket, blocked_for: float = 0.0) -> Grant:
    return await Limiter("q").exchange(bucket, Limits(), Report(waiting=2), [1, 1], blocked_for=blocked_for)


def has_listener() -> bool:
    with suppress(redis.ConnectionError):
        return bool(connection().pubsub_numsub(BLOCKS)[0][1])
    return False


class Listener:
    """Another process that hears of blocks."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.event = asyncio.Event()
        self.task = asyncio.create_task(Limiter("listener").listen(self.on_block))

    def on_block(self, credential: int, model: str | None, seconds: float) -> None:
        self.heard.append((credential, model, seconds))
        self.event.set()

    async def subscribed(self) -> None:
        await asyncio.to_thread(wait_for, has_listener, 5, "a listener", every=0.01)

    async def next(self) -> Heard:
        await asyncio.wait_for(self.event.wait(), 5)
        self.event.clear()
        return self.heard[-1]

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_a_block_holds_its_bucket_alone() -> None:
    await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429 of the provider")
    grant = await ask(BUCKET)
    assert (grant.delays, grant.binding) == ((), Binding.BLOCKED)
    assert grant.retry_in == pytest.approx(7, abs=0.1)
    assert len((await ask(SIBLING)).delays) == 2
    assert bucket_states([BUCKET])[BUCKET].blocked_reason == "429 of the provider"


async def test_a_block_of_the_credential_holds_all_its_models() -> None:
    await Limiter("p").block(BUCKET, 7, whole_credential=True, reason="quota exhausted")
    for bucket in (BUCKET, SIBLING):
        assert (await ask(bucket)).binding is Binding.BLOCKED
        assert bucket_states([bucket])[bucket].blocked_reason == "quota exhausted"
    assert len((await ask(STRANGER)).delays) == 2


async def test_the_longest_block_wins() -> None:
    limiter = Limiter("p")
    await limiter.block(BUCKET, 7, whole_credential=False, reason="long")
    await limiter.block(BUCKET, 2, whole_credential=False, reason="short")
    assert (await ask(BUCKET)).retry_in == pytest.approx(7, abs=0.1)
    await limiter.block(BUCKET, 3, whole_credential=True, reason="also short")
    assert (await ask(BUCKET)).retry_in == pytest.approx(7, abs=0.1)
    assert bucket_states([BUCKET])[BUCKET].blocked_reason == "long"


async def test_what_the_caller_knows_is_a_floor_for_all() -> None:
    assert (await ask(BUCKET, blocked_for=4)).retry_in == pytest.approx(4, abs=0.1)
    assert (await ask(BUCKET)).retry_in == pytest.approx(4, abs=0.1)


async def test_nothing_starts_before_the_end_of_a_block() -> None:
    await Limiter("p").block(BUCKET, 0.4, whole_credential=False, reason="429")
    grant = await ask(BUCKET)
    assert grant.delays == (pytest.approx(0.4, abs=0.05),) * 2
    await asyncio.sleep(0.45)
    assert (await ask(BUCKET)).delays == (0.0, 0.0)


async def test_a_block_reaches_other_processes_within_fifty_milliseconds() -> None:
    listener = Listener()
    await listener.subscribed()
    began = time.monotonic()
    await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429")
    assert await listener.next() == (7, "gpt-tested", pytest.approx(7, abs=0.05))
    assert time.monotonic() - began < 0.05
    await Limiter("p").block(BUCKET, 9, whole_credential=True, reason="quota")
    assert await listener.next() == (7, None, pytest.approx(9, abs=0.05))
    await listener.stop()


async def test_many_refusals_at_once_are_told_once() -> None:
    listener = Listener()
    await listener.subscribed()
    for _ in range(20):
        await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429")
    await listener.next()
    await asyncio.sleep(0.05)
    assert len(listener.heard) <= 2
    await listener.stop()


async def test_a_listener_hears_again_after_a_restart(
    embedded: EmbeddedValkey, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "RECONNECT_PAUSE", 0.05)
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    listener = Listener()
    await listener.subscribed()
    embedded.stop()
    await asyncio.sleep(0.1)
    embedded.ensure()
    await listener.subscribed()
    await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429")
    assert (await listener.next())[:2] == (7, "gpt-tested")
    await listener.stop()


async def test_a_listener_notices_a_server_that_fell_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "SILENCE", 0.1)
    listener = Listener()
    await listener.subscribed()
    await asyncio.sleep(0.5)
    assert has_listener(), "pongs keep the subscription"
    await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429")
    assert (await listener.next())[0] == 7
    await listener.stop()


@pytest.mark.parametrize(
    "message",
    [
        b"no json",
        b"\xff",
        b"7",
        b"[1, 2]",
        b'["x", "m", 1]',
        b"[1, 2, 3]",
        b'[1, "m", "2"]',
        b'[1, "m", NaN]',
        b'"abc"',
    ],
)
async def test_a_message_that_is_no_block_is_logged_and_passed_over(message: bytes) -> None:
    listener = Listener()
    await listener.subscribed()
    with structlog.testing.capture_logs() as logs:
        connection().publish(BLOCKS, message)
        await Limiter("p").block(BUCKET, 7, whole_credential=False, reason="429")
        assert await listener.next() == (7, "gpt-tested", pytest.approx(7, abs=0.05))
    assert [entry["event"] for entry in logs] == ["block_unheard"]
    await listener.stop()


async def test_a_listener_that_fails_on_a_block_hears_the_next() -> None:
    listener, heard = Listener(), list[int]()

    def fail_once(credential: int, model: str | None, seconds: float) -> None:
        heard.append(credential)
        if len(heard) == 1:
            raise LookupError("no such gate")
        listener.event.set()

    await listener.stop()
    listener.task = asyncio.create_task(Limiter("listener").listen(fail_once))
    await listener.subscribed()
    for bucket in (BUCKET, STRANGER):
        await Limiter("p").block(bucket, 7, whole_credential=False, reason="429")
    await asyncio.wait_for(listener.event.wait(), 5)
    assert heard == [7, 8]
    await listener.stop()


async def test_a_block_of_no_time_changes_nothing_and_a_long_reason_is_cut() -> None:
    limiter = Limiter("p")
    await limiter.block(BUCKET, 0, whole_credential=False, reason="none")
    await limiter.block(BUCKET, -5, whole_credential=False, reason="none")
    assert len((await ask(BUCKET)).delays) == 2
    await limiter.block(BUCKET, float("inf"), whole_credential=False, reason="ü" * 500)
    assert bucket_states([BUCKET])[BUCKET].blocked_reason == "ü" * 200
    assert (await ask(BUCKET)).retry_in <= 30 * 24 * 3600
