"""Waiting for single runs: by the bus where it works, by the row where it does not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import orjson
import pytest
from asgiref.sync import sync_to_async

from batches import waiting
from batches.execution import heartbeat
from batches.execution.host import WorkerHost
from batches.models import Run
from batches.models.batch import InputKind
from batches.news import FinishedRun, NewsKind, RunNews, end_bytes, news_bytes, topic_of
from batches.runs import cancel_run
from batches.states import RunState
from batches.waiting import begun, expecting, finished, follow, storing
from tests.support.factories import make_agent, make_single_run
from tests.support.waiting import wait_for
from workers.bus.publisher import Publisher
from workers.bus.reader import reader
from workers.bus.script import write_sync
from workers.redis import close_async_connection

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 10.0


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    await reader().aclose()
    await close_async_connection()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerHost]:
    # Nothing is seen unless it is told.
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 600.0)
    running = WorkerHost()
    yield running
    running.stop()


def streamed(**fields: object) -> Run:
    """Return a queued run of a chat whose caller wants to hear of it."""
    body = {"messages": [{"role": "user", "content": fields.pop("text", "hello")}], "stream": True}
    version = make_agent(**fields).current_version
    return make_single_run(version, input_kind=InputKind.CHAT, input_json=orjson.dumps(body).decode())


async def heard(run: Run) -> list[RunNews | FinishedRun]:
    async with asyncio.timeout(SECONDS):
        return [one async for one in follow(run.pk) if one is not None]


async def test_an_end_is_heard_whether_it_came_before_or_after() -> None:
    completion = {"finish_reason": "length"}
    told = FinishedRun(RunState.SUCCEEDED, "fine", [1.5], completion, 1, 2, 3, 4, Decimal("0.5"), "a/b")
    publisher = Publisher()
    publisher.tell(topic_of(1), end_bytes(told))
    assert await finished(1) == told
    run = await sync_to_async(make_single_run)()

    async def store() -> Run:
        # The fastest of all workers: it has ended the run before the server knows of who expects it.
        storing(run.pk)
        write_sync([(topic_of(run.pk), end_bytes(told))])
        await asyncio.sleep(0.2)
        return run

    with expecting(run.pk):
        assert await begun(store()) is run
        assert await asyncio.wait_for(finished(run.pk), SECONDS) == told


async def test_an_end_that_is_too_long_for_the_bus_is_read_from_the_row() -> None:
    run = await sync_to_async(make_single_run)(state=RunState.SUCCEEDED, output="x" * 1_000_000)
    write_sync([(topic_of(run.pk), end_bytes(FinishedRun(RunState.SUCCEEDED, run.output)))])
    assert (await finished(run.pk)).output == run.output


async def test_a_word_that_was_lost_is_found_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "CALM_LOOK_SECONDS", 0.1)
    run = await sync_to_async(make_single_run)(state=RunState.RUNNING)
    ending = asyncio.ensure_future(finished(run.pk))
    await asyncio.sleep(0.2)
    assert not ending.done()
    change = sync_to_async(Run.objects.filter(pk=run.pk).update)
    await change(state=RunState.FAILED, error_code="timeout", error_message="Late.")
    ended = await asyncio.wait_for(ending, SECONDS)
    assert (ended.state, ended.error_code, ended.error_message) == (RunState.FAILED, "timeout", "Late.")


async def test_silence_is_told() -> None:
    news = follow(1, silence=0.05)
    assert await anext(news) is None
    write_sync([(topic_of(1), news_bytes(NewsKind.TEXT, 1, {"at": 0, "text": "a"}))])
    assert await anext(news) == RunNews(NewsKind.TEXT, 1, {"at": 0, "text": "a"})
    await news.aclose()


async def test_who_goes_away_while_his_run_is_stored_cancels_it() -> None:
    run = await sync_to_async(make_single_run)()

    async def store() -> Run:
        await asyncio.sleep(0.1)
        return run

    waiting_for = asyncio.ensure_future(begun(store()))
    await asyncio.sleep(0.05)
    waiting_for.cancel()
    for _ in range(100):
        await asyncio.sleep(0.05)
        await run.arefresh_from_db()
        if run.state == RunState.CANCELLED:
            return
    raise AssertionError("the run was not cancelled")


async def test_text_is_told_in_pieces_that_join_to_the_output(host: WorkerHost) -> None:
    settings = {"simulated": {"reply": "echo", "latency": 0.2}}
    text = "word " * 200
    run = await sync_to_async(streamed)(parameters=settings, text=text)
    hearing = asyncio.ensure_future(heard(run))
    await asyncio.to_thread(host.wait, host.run_single(run.pk))
    *news, ended = await hearing
    assert isinstance(ended, FinishedRun)
    pieces = [one.data for one in news if isinstance(one, RunNews) and one.kind is NewsKind.TEXT]
    assert "".join(piece["text"] for piece in pieces) == ended.output
    assert [piece["at"] for piece in pieces] == [
        sum(len(piece["text"]) for piece in pieces[:place]) for place in range(len(pieces))
    ]


async def test_what_may_yet_be_rejected_is_not_told(host: WorkerHost) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    run = await sync_to_async(streamed)(output_schema=schema, parameters={"simulated": {"latency": 0}})
    hearing = asyncio.ensure_future(heard(run))
    await asyncio.to_thread(host.wait, host.run_single(run.pk))
    *news, ended = await hearing
    assert isinstance(ended, FinishedRun)
    assert ended.state == RunState.SUCCEEDED
    assert [one.data["text"] for one in news if isinstance(one, RunNews)] == [ended.output]


async def test_a_run_that_is_cancelled_is_cut_at_once_and_its_end_told(host: WorkerHost) -> None:
    run = await sync_to_async(streamed)(parameters={"simulated": {"latency": 60}})
    ending = asyncio.ensure_future(finished(run.pk))
    working = host.engine.submit(host.run_single(run.pk))
    await asyncio.to_thread(wait_for, lambda: host.running == 1, SECONDS, "the run to begin")
    await sync_to_async(cancel_run)(run.owner, run.pk)
    assert (await asyncio.wait_for(ending, 2)).state == RunState.CANCELLED
    await asyncio.to_thread(working.result, 2)
    assert host.running == 0
