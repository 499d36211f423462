"""The models of one run at work: the one whose limits let it start, and where it goes when that fails."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from agents.llm.pool import ClientPool
from agents.llm.types import CompletionRequest
from agents.metering import Meter, Unmetered
from agents.routing import ModelName, Target
from workers.errors import ErrorCode, WorkError
from workers.ratelimit.types import Bucket

from .agents_cache import LoadedModel
from .metering import RunMeter
from .prepared import PreparedRun

OnBroken = Callable[[Bucket, WorkError], None]

# What another model may do better. A request that is wrong, or an answer that was withheld, is so everywhere.
_TRANSIENT = frozenset(
    {
        ErrorCode.RATE_LIMITED,
        ErrorCode.TIMEOUT,
        ErrorCode.CONNECTION,
        ErrorCode.SERVER_ERROR,
        ErrorCode.OVERLOADED,
        ErrorCode.BAD_RESPONSE,
    }
)
_BROKEN = frozenset({ErrorCode.INVALID_KEY, ErrorCode.QUOTA_EXHAUSTED, ErrorCode.NOT_FOUND})
FAILOVER_CODES = _TRANSIENT | _BROKEN | {ErrorCode.CONTEXT_LENGTH}
# A call that waits for its model looks this often whether another one is free, in seconds.
LOOK_SECONDS = 1.0


class RunRoute:
    """The route of one run. An async context manager: it holds the clients that it called until it is left."""

    def __init__(self, prepared: PreparedRun, clients: ClientPool, meter: RunMeter | None, on_broken: OnBroken) -> None:
        """Begin with the model that the meter's permit is for; `on_broken` is told of models that cannot be used."""
        self.meter: Meter = Unmetered() if meter is None else _PatientMeter(self, meter)
        self._models = prepared.agent.models
        self._current = (meter and prepared.agent.model_of(meter.bucket)) or prepared.agent.model
        self._run_meter = meter
        self._clients = clients
        self._on_broken = on_broken
        self._targets: dict[ModelName, Target] = {}
        self._failed: dict[ModelName, WorkError] = {}
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the clients back."""
        await self._held.aclose()

    @property
    def names(self) -> Sequence[ModelName]:
        """All of them, in the pool's order."""
        return [model.name for model in self._models]

    async def choose(self) -> Target:
        """Return the current model, or another one while that one is held back."""
        if len(self._models) > 1:
            self.look_for_better()
        name = self._current.name
        if name not in self._targets:
            model = self._current
            client = await self._held.enter_async_context(self._clients.lease(model.provider, model.config))
            self._targets[name] = Target(name, client, model.price)
        return self._targets[name]

    def fail_over(self, error: WorkError) -> WorkError | None:
        """Go to another model after `error`; return what the run fails with where there is none to go to."""
        if len(self._models) == 1 or error.code not in FAILOVER_CODES:
            return error
        self._failed[self._current.name] = error
        if error.code in _BROKEN:
            self._on_broken(self._current.bucket, error)
        others = [model for model in self._models if self._may_follow(model, error)]
        found = self._first_open(others)
        # Who waits for a limit may as well be tried again later, with all models before it.
        if found is None and others and error.code not in _TRANSIENT:
            found = others[0]
        if found is None:
            return self._most_hopeful(error)
        self._move_to(found)
        return None

    def look_for_better(self) -> bool:
        """Go to a model that is free where the current one is held back and its call has not begun; tell if it did."""
        meter = self._run_meter
        if meter is None or meter.holds_permit or not meter.is_held_back(self._current.bucket):
            return False
        found = self._first_open([model for model in self._models if model.name not in self._failed])
        if found is None or found is self._current:
            return False
        self._move_to(found)
        return True

    def _move_to(self, model: LoadedModel) -> None:
        self._current = model
        if self._run_meter is not None:
            self._run_meter.move(model)

    def _may_follow(self, model: LoadedModel, error: WorkError) -> bool:
        if model.name in self._failed:
            return False
        known = (self._current.context_window, model.context_window)
        if error.code is not ErrorCode.CONTEXT_LENGTH or None in known:
            return True
        return (known[1] or 0) > (known[0] or 0)

    def _first_open(self, models: Sequence[LoadedModel]) -> LoadedModel | None:
        meter = self._run_meter
        open_ones = [model for model in models if meter is None or not meter.is_held_back(model.bucket)]
        return max(open_ones, key=lambda model: model.weight, default=None)

    def _most_hopeful(self, last: WorkError) -> WorkError:
        """Return the error that the run ends with: one that time may mend, where there is one.

        Else that the prompt is too long: it is so for a model whose key works, and concerns this run alone.
        """
        errors = (last, *self._failed.values())
        hopeful = next((error for error in errors if error.is_transient), None)
        return hopeful or next((error for error in errors if error.code is ErrorCode.CONTEXT_LENGTH), last)


class _PatientMeter:
    """Waits for a permit, and goes to another model of the pool where that one is free sooner."""

    def __init__(self, route: RunRoute, meter: RunMeter) -> None:
        self._route = route
        self._meter = meter
        self.finished = meter.finished
        self.failed = meter.failed

    async def admit(self, request: CompletionRequest) -> float:
        """Return when the call may start, and how many seconds that took."""
        if self._meter.holds_permit or len(self._route.names) == 1:
            return await self._meter.admit(request)
        waited = 0.0
        while True:
            self._refuse_broken()
            before = self._meter.waited
            admission = asyncio.ensure_future(self._meter.admit(request))
            try:
                while not admission.done():
                    await asyncio.wait([admission], timeout=LOOK_SECONDS)
                    if not admission.done() and self._route.look_for_better():
                        break
                    if not admission.done():
                        self._refuse_broken()
            except BaseException:
                await _cancelled(admission)
                raise
            if admission.done():
                return waited + await admission
            await _cancelled(admission)
            waited += self._meter.waited - before

    def _refuse_broken(self) -> None:
        """Raise what a call would meet that waits for a model which cannot be used, as other calls have found."""
        error = self._meter.why_broken()
        if error is not None:
            raise WorkError(error.code, error.message)


async def _cancelled(task: "asyncio.Future[float]") -> None:
    """Cancel `task` and wait for its end; whoever is cancelled while it waits here is told so."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        # Else the loop would complain that nobody looked.
        task.exception()
