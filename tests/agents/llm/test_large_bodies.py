"""Large answers of one loop share a budget of memory, and none blocks the others for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agents.llm.http import large_bodies
from agents.llm.http.large_bodies import KEPT_FOR_FIRST, LARGE_BODY_BYTES, LARGE_TOTAL, STEP
from agents.llm.http.network import JSON_OVERHEAD
from agents.llm.providers.base import MAX_ANSWER_BYTES, ProviderConfig
from agents.llm.providers.openai.provider import OpenAIProvider
from workers.errors import ErrorCode, WorkError

from .calls import ask
from .raw_server import RawServer, http, raw_server, soon

MIB = 2**20


def answer_of(size: int) -> bytes:
    """Return an answer whose text has `size` characters."""
    body = b'{"choices": [{"message": {"content": "%b"}, "finish_reason": "stop"}]}' % (b"a" * size)
    return http(body)


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture
async def provider(raw: RawServer) -> AsyncIterator[OpenAIProvider]:
    client = OpenAIProvider(ProviderConfig(base_url=raw.base_url))
    yield client
    await client.aclose()


@asynccontextmanager
async def half_read(raw: RawServer, provider: OpenAIProvider, count: int) -> AsyncIterator[None]:
    """Hold `count` answers of which 1 MiB has come and the rest never does."""
    raw.answers = [http(b"a" * MIB, length=2 * MIB)]
    calls = [asyncio.create_task(provider.complete(ask(timeout=30))) for _ in range(count)]
    budget = large_bodies.large_bodies()
    # What holds no more than its allowance waits for bytes.
    await soon(lambda: sum(body.held for body in budget._bodies) >= count * (MIB - LARGE_BODY_BYTES))
    yield
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_two_slow_large_answers_block_no_other(raw: RawServer, provider: OpenAIProvider):
    async with half_read(raw, provider, 2):
        raw.answers = [answer_of(3 * MIB)]
        async with asyncio.timeout(3):
            assert len((await provider.complete(ask())).text) == 3 * MIB


async def test_twenty_answers_of_the_longest_text_at_once_are_all_read(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [answer_of(MAX_ANSWER_BYTES)]

    async def length() -> int:
        return len((await provider.complete(ask(timeout=20))).text)

    assert await asyncio.gather(*(length() for _ in range(20))) == [MAX_ANSWER_BYTES] * 20


async def test_a_long_answer_is_read_beside_one_that_never_ends(raw: RawServer, provider: OpenAIProvider):
    async with half_read(raw, provider, 1):
        raw.answers = [answer_of(MAX_ANSWER_BYTES)]
        async with asyncio.timeout(3):
            assert len((await provider.complete(ask())).text) == MAX_ANSWER_BYTES


async def test_the_longest_text_is_read_however_it_is_written(raw: RawServer, provider: OpenAIProvider):
    body = b'{"choices": [{"message": {"content": "%b"}, "finish_reason": "stop"}]}'
    raw.answers = [http(body % (rb"\u044f" * (MAX_ANSWER_BYTES // 2)))]
    assert len((await provider.complete(ask())).text.encode()) == MAX_ANSWER_BYTES


async def test_twenty_floods_at_once_stay_within_the_budget_and_let_an_answer_through(
    raw: RawServer, provider: OpenAIProvider
):
    # Without a length: the bound is found by reading.
    flood = http(b"a" * (MAX_ANSWER_BYTES * JSON_OVERHEAD + STEP), "Connection: close")
    raw.answers, raw.closes_after = [flood], 1
    budget = large_bodies.large_bodies()
    floods = [asyncio.create_task(provider.complete(ask(timeout=20))) for _ in range(20)]
    await soon(lambda: len(budget._bodies) > 1)
    raw.answers = [answer_of(MIB)]
    most = 0
    answering = asyncio.create_task(provider.complete(ask(timeout=20)))
    while not all(call.done() for call in (*floods, answering)):
        most = max(most, sum(body.held for body in budget._bodies))
        await asyncio.sleep(0)
    assert len((await answering).text) == MIB
    found = [call.exception() for call in floods]
    assert {error.code for error in found if isinstance(error, WorkError)} == {ErrorCode.BAD_RESPONSE}
    assert len([error for error in found if isinstance(error, WorkError)]) == 20
    assert KEPT_FOR_FIRST - LARGE_BODY_BYTES <= most <= LARGE_TOTAL == 20 * MIB
    assert not budget._bodies


async def test_a_crowd_of_large_answers_within_a_small_budget_is_read_one_after_the_other(
    raw: RawServer, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(large_bodies, "LARGE_TOTAL", 6 * MIB)
    monkeypatch.setattr(large_bodies, "KEPT_FOR_FIRST", 3 * MIB)
    raw.answers = [answer_of(3 * MIB)]
    budget, most = large_bodies.large_bodies(), 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, sum(body.held for body in budget._bodies))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(provider.complete(ask(timeout=20)) for _ in range(12)))
    watching.cancel()
    assert {len(answer.text) for answer in answers} == {3 * MIB}
    assert 3 * MIB < most <= 6 * MIB
    assert not budget._bodies


async def test_who_finds_no_room_for_long_fails_and_may_try_again(
    raw: RawServer, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(large_bodies, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(large_bodies, "LARGE_TOTAL", 3 * MIB)
    monkeypatch.setattr(large_bodies, "KEPT_FOR_FIRST", 2 * MIB)
    async with half_read(raw, provider, 2):
        raw.answers = [answer_of(MIB)]
        with pytest.raises(WorkError) as caught:
            await provider.complete(ask())
        assert (caught.value.code, caught.value.is_transient) == (ErrorCode.BAD_RESPONSE, True)
        assert caught.value.message == "too many large answers at once"
        raw.answers = [answer_of(LARGE_BODY_BYTES // 2)]
        assert len((await provider.complete(ask())).text) == LARGE_BODY_BYTES // 2
    raw.answers = [answer_of(MIB)]
    assert len((await provider.complete(ask())).text) == MIB


async def test_room_that_becomes_free_goes_to_who_waits_longest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(large_bodies, "LARGE_TOTAL", 2 * STEP)
    monkeypatch.setattr(large_bodies, "KEPT_FOR_FIRST", STEP)
    budget = large_bodies.LargeBodies()
    order: list[int] = []

    async def read(number: int) -> None:
        with budget.reading() as body:
            assert await body.take() == LARGE_BODY_BYTES + STEP
            order.append(number)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(read(number) for number in range(6)))
    assert order == list(range(6))


async def test_a_body_that_gave_up_leaves_its_room_to_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(large_bodies, "LARGE_TOTAL", STEP)
    monkeypatch.setattr(large_bodies, "KEPT_FOR_FIRST", STEP)
    budget = large_bodies.LargeBodies()

    async def fail() -> None:
        with budget.reading() as body:
            await body.take()
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await fail()
    with budget.reading() as body:
        assert await body.take() == LARGE_BODY_BYTES + STEP
