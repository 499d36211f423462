"""What who waits for a run is told, whatever becomes of the processes that run it."""

import asyncio
from contextlib import aclosing

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import waiting
from batches.news import FinishedRun, NewsKind, RunNews, end_bytes, news_bytes, topic_of
from batches.states import RunState
from batches.waiting import Lookout, follow
from tests.support.factories import make_single_run
from workers.bus.reader import reader
from workers.bus.script import write
from workers.bus.subscription import Subscription
from workers.redis import close_async_connection

RUN = 7
END = FinishedRun(RunState.SUCCEEDED, output="from the second", model="acme/m", attempt=2)


def text(attempt: int, at: int, words: str) -> bytes:
    return news_bytes(NewsKind.TEXT, attempt, {"at": at, "text": words})


async def heard(*messages: bytes) -> list[RunNews | FinishedRun | None]:
    """Return what is heard of a run of which `messages` were told."""
    await write([(topic_of(RUN), message) for message in messages])
    try:
        async with asyncio.timeout(10), aclosing(follow(RUN)) as news:
            return [one async for one in news]
    finally:
        await reader().aclose()
        await close_async_connection()


@pytest.mark.parametrize("has_more", [True, False])
async def test_an_attempt_that_ended_without_a_word_is_told_to_be_given_up(has_more: bool):
    more = [text(2, 0, "from the second")] if has_more else []
    first, retry, *rest, end = await heard(text(1, 0, "from the fi"), *more, end_bytes(END))
    assert (first.data["text"], end) == ("from the fi", END)
    assert (retry.kind, retry.attempt, retry.data["code"]) == (NewsKind.RETRY, 1, None)
    assert [one.attempt for one in rest] == [2] * len(more)


async def test_a_retry_is_told_once_and_what_a_frozen_process_says_later_never():
    retry = news_bytes(NewsKind.RETRY, 1, {"code": "connection", "message": "It broke.", "delay": 0.1})
    found = await heard(text(1, 0, "a"), retry, text(2, 0, "from"), text(1, 1, "b"), text(2, 4, " the"), end_bytes(END))
    assert [(one.kind, one.attempt) for one in found[:-1]] == [
        (NewsKind.TEXT, 1),
        (NewsKind.RETRY, 1),
        (NewsKind.TEXT, 2),
        (NewsKind.TEXT, 2),
    ]
    assert found[-1] == END


@pytest.mark.django_db(transaction=True)
async def test_who_is_slow_to_hear_the_end_is_told_it_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    run = await asyncio.to_thread(make_single_run, state=RunState.SUCCEEDED)
    subscription = Subscription(topic_of(run.pk), "0-0", lambda behind: None)
    with Lookout(reader()).watch(run.pk, subscription):
        assert await subscription.next(5.0) is not None
        assert await subscription.next(0.5) is None


@pytest.mark.django_db
def test_what_was_asked_is_not_read_with_the_answer():
    run = make_single_run(state=RunState.SUCCEEDED)
    with CaptureQueriesContext(connection) as queries:
        assert set(waiting._ended_rows([run.pk])) == {run.pk}
        waiting._finished_row(run.pk)
    assert len(queries) == 2
    assert not any("input_json" in query["sql"] for query in queries.captured_queries)
