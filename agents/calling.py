"""One call of a step: to the store of answers first, then to a model, and to another where that fails."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
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
from agents.spec import EMBEDDING_LIST
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

    def __init__(
        self,
        route: Route,
        deadline: Deadline,
        operation: str,
        store: AnswerStore | None,
        first_keys: Sequence[str] = (),
    ) -> None:
        """Call along `route`; with a `store`, answers of identical requests are used again.

        `first_keys` are those of the first request, where they are known already, one for each model of the route.
        """
        self._first_keys = first_keys
        self._route = route
        self._deadline = deadline
        self._operation = operation
        self._store = store
        self._keys: dict[str, str] = {}
        self._unkept: tuple[str, ModelName, Completion] | None = None

    async def call(self, step: int, request: CompletionRequest) -> tuple[list[CallEvent], WorkError | None]:
        """Return what happened while `request` was asked of whichever model answers, and the error that it ended in.

        StepFinished comes last where there is an answer, and where a refused one is paid for all the same.
        """
        found = await self._find(request) if self._store is not None else None
        if found is not None:
            return [_from_store(step, found)], None
        happened: list[CallEvent] = []
        while True:
            target = await self._route.choose()
            try:
                finished, refused = await self._ask(step, target, request)
                return [*happened, finished], refused
            except WorkError as error:
                final = self._final(error)
                if final is not None:
                    return happened, final
                happened.append(FailedOver(step, target.name.full, error))

    async def stream(self, step: int, request: CompletionRequest) -> AsyncGenerator[CallEvent, None]:
        """Yield the same, with the answer's text as it comes. Raises WorkError; who has begun to speak goes on."""
        found = await self._find(request) if self._store is not None else None
        if found is not None:
            if found[1].text:
                yield TextProduced(step, found[1].text)
            yield _from_store(step, found)
            return
        while True:
            target = await self._route.choose()
            has_spoken = False
            try:
                async with aclosing(self._listen(step, target, request)) as events:
                    async for event in events:
                        has_spoken = True
                        yield event
                return
            except WorkError as error:
                final = error if has_spoken else self._final(error)
                if final is not None:
                    raise final from None
                yield FailedOver(step, target.name.full, error)

    def accept(self) -> None:
        """The last answer was good: keep it for identical requests."""
        if self._store is not None and self._unkept is not None:
            self._store.keep(*self._unkept)
        self._unkept = None

    def _final(self, error: WorkError) -> WorkError | None:
        """Return what the run fails with; None where another model is to be asked."""
        # The call was given what was left of the run's time, so its timeout is the run's limit. The meter is told of
        # the timeout: it judges the provider, not the run.
        if error.code is ErrorCode.TIMEOUT and self._deadline.is_over:
            return self._deadline.error()
        final = self._route.fail_over(error)
        return self._deadline.error() if final is None and self._deadline.is_over else final

    async def _find(self, request: CompletionRequest) -> tuple[str, Completion] | None:
        """Return the model that gave the stored answer to `request`, and the answer."""
        assert self._store is not None
        self._unkept = None
        names = self._route.names
        keys, self._first_keys = self._first_keys or request_keys(names, self._operation, request), ()
        self._keys = {name.full: key for name, key in zip(names, keys, strict=True)}
        found = await self._store.find(keys)
        if found is None:
            return None
        key, completion = found
        return next(name.full for name, own in zip(names, keys, strict=True) if own == key), completion

    async def _ask(
        self, step: int, target: Target, request: CompletionRequest
    ) -> tuple[StepFinished, BilledError | None]:
        """Return the answer of `target`, or of another one that was free first, when the meter lets it be called.

        With it the error, where the answer was refused and is paid for like any other.
        """
        target, asked = await self._admitted(target, request)
        started = perf_counter()
        try:
            if self._operation == "chat":
                completion = await target.client.complete(asked)
            else:
                completion = await embed(target.client, asked, each=self._operation == EMBEDDING_LIST)
            return self._finished(step, target, completion, started), None
        except BilledError as error:
            return self._refused(step, target, error, started), error
        except BaseException as error:
            self._route.meter.failed(error, perf_counter() - started)
            raise

    async def _listen(
        self, step: int, target: Target, request: CompletionRequest
    ) -> AsyncGenerator[TextProduced | StepFinished, None]:
        """Yield what `target` says as it comes, and the whole at the end."""
        if self._operation != "chat":
            yield (await self._ask(step, target, request))[0]
            return
        target, asked = await self._admitted(target, request)
        started, first_token_ms = perf_counter(), None
        try:
            async with aclosing(target.client.stream(asked)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Completion):
                        yield self._finished(step, target, chunk, started, first_token_ms)
                        return
                    first_token_ms = ms_since(started) if first_token_ms is None else first_token_ms
                    yield TextProduced(step, chunk.text)
        except BilledError as error:
            yield self._refused(step, target, error, started)
            raise
        except BaseException as error:
            self._route.meter.failed(error, perf_counter() - started)
            raise

    async def _admitted(self, target: Target, request: CompletionRequest) -> tuple[Target, CompletionRequest]:
        """Wait until the meter lets a call start; return where it goes, and what is asked there."""
        waited = await self._route.meter.admit(request)
        if waited:
            self._deadline.extend(waited)
            # The route may have chosen another meanwhile.
            target = await self._route.choose()
        elif target.name.model == request.model:
            return target, request
        return target, replace(request, model=target.name.model, timeout=self._deadline.left)

    def _finished(
        self, step: int, target: Target, completion: Completion, started: float, first_token_ms: int | None = None
    ) -> StepFinished:
        self._route.meter.finished(completion, perf_counter() - started)
        name = target.name
        if self._store is not None and name.full in self._keys:
            self._unkept = self._keys[name.full], name, completion
        cost = target.price.cost(completion.usage)
        return StepFinished(step, completion, cost, ms_since(started), first_token_ms, name.full)

    def _refused(self, step: int, target: Target, error: BilledError, started: float) -> StepFinished:
        refused = Completion("", usage=error.usage, finish_reason=str(error.code))
        return self._finished(step, target, refused, started)


def ms_since(started: float) -> int:
    """Return the milliseconds since `started`, by `perf_counter`."""
    return round((perf_counter() - started) * 1000)


def _from_store(step: int, found: tuple[str, Completion]) -> StepFinished:
    model, completion = found
    return StepFinished(step, completion, Decimal(0), 0, None, model)
