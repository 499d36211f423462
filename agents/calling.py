"""One call of a step: to the store of answers first, then to a model, and to another where that fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from time import perf_counter

from agents.answers import AnswerStore, request_keys
from agents.embeddings import embed
from agents.events import FailedOver, StepFinished, TextProduced
from agents.llm.errors import BilledError
from agents.llm.types import Completion, CompletionRequest
from agents.routing import ModelName, Route, Target
from workers.errors import ErrorCode, WorkError

CallEvent = TextProduced | FailedOver | StepFinished
# Timers may fire this much early, in seconds.
_EARLY = 0.01


class Deadline:
    """Until when a run may go on; waiting for limits does not count."""

    def __init__(self, seconds: float) -> None:
        """Start now, in the running loop."""
        self._seconds = seconds
        self.at = asyncio.get_running_loop().time() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return asyncio.get_running_loop().time() >= self.at - _EARLY

    def extend(self, seconds: float) -> None:
        """Add what was waited."""
        self.at += seconds

    def error(self) -> WorkError:
        """Return the error of a run that is out of time."""
        return WorkError(ErrorCode.LIMIT_SECONDS, f"No answer within {self._seconds:g} s")


class Calls:
    """The calls of one run."""

    def __init__(self, route: Route, deadline: Deadline, operation: str, store: AnswerStore | None) -> None:
        """Call along `route`; with a `store`, answers of identical requests are used again."""
        self._route = route
        self._deadline = deadline
        self._operation = operation
        self._store = store
        self._keys: dict[str, str] = {}
        self._unkept: tuple[str, ModelName, Completion] | None = None

    async def call(self, step: int, request: CompletionRequest, *, stream: bool) -> AsyncGenerator[CallEvent, None]:
        """Yield the answer's text where it streams, models that failed, and at the end StepFinished.

        `request` is asked of whichever model answers. Raises WorkError; a refused answer that is paid for yields its
        StepFinished before.
        """
        found = await self._find(request)
        if found is not None:
            for event in _from_store(step, found, stream=stream):
                yield event
            return
        is_done = False
        while not is_done:
            target = await self._route.choose()
            has_told = False
            try:
                async with aclosing(self._ask(step, target, request, stream=stream)) as events:
                    async for event in events:
                        has_told = True
                        yield event
                is_done = True
            except WorkError as error:
                self._fail(error, may_go_on=not has_told)
                yield FailedOver(step, target.name.full, error)

    def accept(self) -> None:
        """The last answer was good: keep it for identical requests."""
        if self._store is not None and self._unkept is not None:
            self._store.keep(*self._unkept)
        self._unkept = None

    def _fail(self, error: WorkError, *, may_go_on: bool) -> None:
        """Raise what the run fails with, unless another model is to be asked."""
        # The call was given what was left of the run's time, so its timeout is the run's limit. The meter is told of
        # the timeout: it judges the provider, not the run.
        if error.code is ErrorCode.TIMEOUT and self._deadline.is_over:
            raise self._deadline.error() from None
        final = self._route.fail_over(error) if may_go_on else error
        if final is not None:
            raise final from None
        if self._deadline.is_over:
            raise self._deadline.error() from None

    async def _find(self, request: CompletionRequest) -> tuple[str, Completion] | None:
        """Return the model that gave the stored answer to `request`, and the answer."""
        if self._store is None:
            return None
        self._unkept = None
        names = self._route.names
        keys = request_keys(names, self._operation, request)
        self._keys = {name.full: key for name, key in zip(names, keys, strict=True)}
        found = await self._store.find(keys)
        if found is None:
            return None
        key, completion = found
        return next(name.full for name, own in zip(names, keys, strict=True) if own == key), completion

    async def _ask(
        self, step: int, target: Target, request: CompletionRequest, *, stream: bool
    ) -> AsyncGenerator[TextProduced | StepFinished, None]:
        """Call `target` when the meter lets it."""
        meter = self._route.meter
        waited = await meter.admit(replace(request, model=target.name.model))
        self._deadline.extend(waited)
        # The route may have chosen another while the call waited.
        target = await self._route.choose()
        asked = replace(request, model=target.name.model, timeout=self._deadline.left)
        started = perf_counter()
        try:
            async with aclosing(self._answer(step, target, asked, stream, started)) as events:
                async for event in events:
                    if isinstance(event, StepFinished):
                        meter.finished(event.completion, perf_counter() - started)
                        if self._store is not None and target.name.full in self._keys:
                            self._unkept = self._keys[target.name.full], target.name, event.completion
                    yield event
        except BaseException as error:
            meter.failed(error, perf_counter() - started)
            raise

    async def _answer(
        self, step: int, target: Target, request: CompletionRequest, stream: bool, started: float
    ) -> AsyncGenerator[TextProduced | StepFinished, None]:
        finished = _Finisher(step, target, started)
        try:
            if self._operation == "embeddings":
                yield finished(await embed(target.client, request))
                return
            if not stream:
                yield finished(await target.client.complete(request))
                return
            async with aclosing(target.client.stream(request)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Completion):
                        yield finished(chunk)
                        return
                    finished.note_text()
                    yield TextProduced(step, chunk.text)
        except BilledError as error:
            # A refused answer is paid for like any other.
            yield finished(Completion("", usage=error.usage, finish_reason=str(error.code)))
            raise


class _Finisher:
    """Makes a step's StepFinished."""

    def __init__(self, step: int, target: Target, started: float) -> None:
        self._step = step
        self._target = target
        self._started = started
        self._first_token_ms: int | None = None

    def note_text(self) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = ms_since(self._started)

    def __call__(self, completion: Completion) -> StepFinished:
        cost = self._target.price.cost(completion.usage)
        name = self._target.name.full
        return StepFinished(self._step, completion, cost, ms_since(self._started), self._first_token_ms, name)


def ms_since(started: float) -> int:
    """Return the milliseconds since `started`, by `perf_counter`."""
    return round((perf_counter() - started) * 1000)


def _from_store(step: int, found: tuple[str, Completion], *, stream: bool) -> list[CallEvent]:
    model, completion = found
    finished = StepFinished(step, completion, Decimal(0), 0, None, model)
    return [TextProduced(step, completion.text), finished] if stream and completion.text else [finished]
