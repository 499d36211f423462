"""Blocks that are lifted before their time."""

import json

import pytest

from workers.ratelimit.keys import BLOCKS
from workers.ratelimit.lifting import lift_blocks
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.types import Binding, Bucket, Grant, Limits, Report
from workers.redis import connection

pytestmark = pytest.mark.any_database

DAY = 24 * 3600.0
ONE, OTHER, STRANGER = Bucket(41, "one:large"), Bucket(41, "other"), Bucket(413, "one:large")


async def block(bucket: Bucket, *, whole: bool = False, seconds: float = DAY) -> None:
    await Limiter("p").block(bucket, seconds, whole_credential=whole, reason="a wrong day")


async def ask(bucket: Bucket) -> Grant:
    return await Limiter("q").exchange(bucket, Limits(), Report(waiting=1), [1])


@pytest.fixture(autouse=True)
def forgotten():
    yield
    for bucket in (ONE, OTHER, STRANGER):
        lift_blocks(bucket.credential)


async def test_all_that_blocks_a_credential_is_lifted_and_nothing_else() -> None:
    await block(ONE)
    await block(OTHER, whole=True)
    await block(STRANGER)
    assert lift_blocks(41)
    for bucket in (ONE, OTHER):
        assert len((await ask(bucket)).delays) == 1
        state = bucket_states([bucket])[bucket]
        assert (state.binding, state.until, state.blocked_reason) == (None, None, "")
    assert (await ask(STRANGER)).binding is Binding.BLOCKED
    assert not lift_blocks(41)


async def test_a_model_is_lifted_by_itself() -> None:
    await block(ONE)
    await block(OTHER)
    assert lift_blocks(41, "one:large")
    assert len((await ask(ONE)).delays) == 1
    assert (await ask(OTHER)).binding is Binding.BLOCKED


async def test_processes_hear_of_it_and_of_a_shorter_block_after_it() -> None:
    with connection().pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(BLOCKS)
        heard.get_message(timeout=2)

        def told() -> list[object]:
            message = heard.get_message(timeout=2)
            assert message is not None
            return json.loads(message["data"])

        await block(ONE)
        assert told()[:2] == [41, "one:large"]
        lift_blocks(41, "one:large")
        assert told() == [41, "one:large", 0.0]
        lift_blocks(41)
        assert told() == [41, None, 0.0]
        await block(ONE, seconds=5)
        assert told()[2] == pytest.approx(5, abs=0.1)
