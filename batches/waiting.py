"""Waiting for a single run in a web process: what happens in it, as workers tell, and its end.

The bus brings the news. Now and then all rows that are waited for are looked at together, often while Redis is away:
the row is the truth, so a word that was lost costs a few seconds.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from weakref import WeakKeyDictionary

import structlog
from django.db import Error as DatabaseError

from credentials.api.threads import in_database
from workers.bus.reader import Reader, reader
from workers.bus.subscription import Subscription
from workers.bus.topics import BEGINNING
from workers.errors import Conflict, NotFound

from .models import Run, RunQuerySet
from .news import FinishedRun, NewsKind, RunNews, end_bytes, finished_of, finished_run, read_news, topic_of
from .runs import cancel_run
from .states import TERMINAL_RUN_STATES

log = structlog.get_logger(__name__)

# Rows are looked at so often while nothing comes over the bus; and while it works, as a word may be lost all the same.
LOOK_SECONDS = 2.0
CALM_LOOK_SECONDS = 10.0
# So many rows are looked at in one query.
MOST_LOOKED_AT = 500


async def finished(run_id: int) -> FinishedRun:
    """Return how a run ended, as soon as it has."""
    async with aclosing(follow(run_id)) as news:
        async for one in news:
            if isinstance(one, FinishedRun):
                return one
    raise AssertionError("unreachable")


async def follow(
    run_id: int, *, after: str = BEGINNING, silence: float | None = None
) -> AsyncGenerator[RunNews | FinishedRun | None, None]:
    """Yield what happens in a run, and at last how it ended; None after each `silence` seconds without news.

    Whoever begins late is told what Redis still has from the message `after` on. Text may be missing where Redis lost
    it, and be told twice: each piece says its place. Of an attempt that ended without a word, as that of a process that
    was killed, a RETRY is told before anything of the next. Close it (`contextlib.aclosing`).
    """
    subscription = _expected.pop(run_id, None) or reader().subscribe(topic_of(run_id), after)
    attempt, is_open = 0, False
    try:
        with _lookout().watch(run_id, subscription):
            while True:
                message = await subscription.next(silence)
                if message is None:
                    yield None
                    continue
                news = read_news(message.data)
                if news.attempt > attempt:
                    if is_open:
                        yield RunNews(NewsKind.RETRY, attempt, {"code": None, "message": "", "delay": 0.0})
                    attempt, is_open = news.attempt, False
                if news.kind is NewsKind.END:
                    yield finished_run(news) or await in_database(_finished_row, run_id)
                    return
                # A process that was frozen may tell of its attempt when others are at the next one.
                if news.attempt == attempt:
                    is_open = news.kind is not NewsKind.RETRY
                    yield news
    finally:
        reader().leave(subscription)


@contextmanager
def expecting(run_id: int) -> Iterator[None]:
    """Begin to hear of a run that is stored and offered within the block, for who follows it there.

    Call `storing` before it is. What would have to be read from Redis by who begins later, a question for each run,
    comes by itself.
    """
    subscription = _expected[run_id] = reader().subscribe(topic_of(run_id), is_first=True)
    try:
        yield
    finally:
        if _expected.pop(run_id, None) is not None:
            reader().leave(subscription)


_expected: dict[int, Subscription] = {}


def storing(run_id: int) -> None:
    """Take note that a run is stored now, of which somebody may tell from then on. Called from any thread.

    Told after that it would be too late: the run may have ended before the server knew of who expects it.
    """
    if subscription := _expected.get(run_id):
        subscription.is_first = False


async def begun(start: Awaitable[Run]) -> Run:
    """Return the run that `start` has stored. Where the caller goes away meanwhile, the run is cancelled."""
    starting = asyncio.ensure_future(start)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        _keep(asyncio.ensure_future(_abandon_begun(starting)))
        raise


def abandon(run: Run) -> None:
    """Cancel a run of which its owner does not want to hear any more; soon, and without a word where it has ended."""
    _keep(asyncio.ensure_future(_cancel(run)))


async def _abandon_begun(starting: "asyncio.Future[Run]") -> None:
    await _cancel(await starting)


async def _cancel(run: Run) -> None:
    try:
        await in_database(cancel_run, run.owner, run.pk)
    except (Conflict, NotFound):
        return
    except DatabaseError as error:
        log.warning("run_not_abandoned", run_id=run.pk, error=type(error).__name__)


_under_way: set["asyncio.Future[None]"] = set()


def _keep(work: "asyncio.Future[None]") -> None:
    """Keep work from being collected before it is done; that a run could not be started, its caller was told."""
    _under_way.add(work)

    def forget(done: "asyncio.Future[None]") -> None:
        _under_way.discard(done)
        if not done.cancelled():
            done.exception()

    work.add_done_callback(forget)


class Lookout:
    """Looks at the rows that are waited for in one event loop."""

    def __init__(self, own_reader: Reader) -> None:
        """Look seldom while `own_reader` is connected."""
        self._reader = own_reader
        self._watched: dict[Subscription, int] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, run_id: int, subscription: Subscription) -> Iterator[None]:
        """Tell `subscription` of the run's end for the length of a block, should nobody else do."""
        self._watched[subscription] = run_id
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())
        try:
            yield
        finally:
            self._watched.pop(subscription, None)

    async def _look(self) -> None:
        calm = 0.0
        while self._watched:
            await asyncio.sleep(LOOK_SECONDS)
            calm = calm + LOOK_SECONDS if self._reader.is_connected else CALM_LOOK_SECONDS
            if calm >= CALM_LOOK_SECONDS:
                calm = 0.0
                try:
                    await self._look_once()
                except Exception as error:
                    log.warning("runs_not_looked_at", error=type(error).__name__)

    async def _look_once(self) -> None:
        ids = sorted(set(self._watched.values()))
        for first in range(0, len(ids), MOST_LOOKED_AT):
            ended = await in_database(_ended_rows, ids[first : first + MOST_LOOKED_AT])
            for subscription, run_id in list(self._watched.items()):
                if run_id in ended:
                    # Once: who takes long to hear it is not to be told again and again.
                    del self._watched[subscription]
                    subscription.tell(ended[run_id])


def _ended_rows(run_ids: Sequence[int]) -> dict[int, bytes]:
    rows = _answers().filter(pk__in=run_ids, state__in=TERMINAL_RUN_STATES)
    return {run.pk: end_bytes(finished_of(run)) for run in rows}


def _finished_row(run_id: int) -> FinishedRun:
    return finished_of(_answers().get(pk=run_id))


def _answers() -> RunQuerySet:
    """Return runs with what `finished_of` reads; not what was asked, which may be megabytes."""
    return Run.objects.select_related("agent_version__credential").defer("input_json")


_lookouts: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout]" = WeakKeyDictionary()


def _lookout() -> Lookout:
    loop = asyncio.get_running_loop()
    if loop not in _lookouts:
        _lookouts[loop] = Lookout(reader())
    return _lookouts[loop]
