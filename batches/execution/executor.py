"""One claimed run, from its input to its outcome: everything between two transactions."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing, nullcontext
from datetime import timedelta

import structlog
from django.utils import timezone

from agents.events import RunFinished
from agents.llm.pool import ClientPool
from agents.routing import FixedRoute, Route, Target
from agents.runner import run_agent
from batches.models import AttemptOutcome, RunEventKind
from batches.states import RunState
from workers.bus.publisher import Publisher
from workers.errors import ErrorCode, InvalidInput, WorkError
from workers.retry import RetryPolicy

from .agents_cache import AgentCache
from .answer_store import StoredAnswers
from .claims import ClaimedRun
from .completions import completion_details
from .live import LiveRun
from .metering import RunMeter
from .noting import Notes
from .outcomes import EventRecord, Outcome, Spent
from .permits import Permit
from .prepared import PreparedRun, prepare
from .routes import OnBroken, RunRoute
from .storable import storable, storable_json

log = structlog.get_logger(__name__)
MakeMeter = Callable[[PreparedRun, Permit | None, bool], RunMeter]

LONGEST_ERROR_MESSAGE = 2000
# These concern every row alike: the batch is paused with the reason, and no row fails.
PAUSING_CODES = {
    ErrorCode.INVALID_KEY: "The key{whose} was refused",
    ErrorCode.QUOTA_EXHAUSTED: "The quota{whose} is used up",
}
LONGEST_REASON = 500
# What these refused is held back by a block or by the adaptive ceiling already, so that no storm can come of it.
HELD_BACK_CODES = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED})
# Refusals cost a row no try until it has had so many attempts for nothing; from then on each costs one. The waits grow
# to a minute by default, so a throttled key brings a row this far in most of an hour at the earliest. A row that is
# refused for what it is, in words that are not known, would else come back for ever and block its key each time.
MOST_FREE_ATTEMPTS = 50


class Executor:
    """Runs claimed runs in the process' loop. It holds no transaction and reads the database only for agents."""

    def __init__(
        self,
        agents: AgentCache,
        clients: ClientPool,
        worker: str,
        make_meter: MakeMeter | None = None,
        answers: StoredAnswers | None = None,
        on_broken: OnBroken = lambda bucket, error: None,
        publisher: Publisher | None = None,
    ) -> None:
        """`worker` is this process' name, as it will stand on the attempts; without meters no limit is kept.

        `answers` is the store of answers, for agents that want one; `on_broken` is told of a pool's model that cannot
        be used. On `publisher` runs that stream tell what happens in them.
        """
        self._publisher = publisher
        self._answers = answers
        self._on_broken = on_broken
        self._agents = agents
        self._clients = clients
        self._worker = worker
        self._make_meter = make_meter

    async def prepare(self, run: ClaimedRun) -> PreparedRun | Outcome:
        """Return `run` ready to start, or how it ended already where its input or its limits allow no call."""
        try:
            return prepare(run, await self._agents.get(run.version_id))
        except Exception as error:
            return self._failed(run, Spent(timezone.now(), ""), RetryPolicy(), classify(error), None)

    async def execute(
        self,
        run: ClaimedRun,
        prepared: PreparedRun | None = None,
        permit: Permit | None = None,
        *,
        has_slot: bool = False,
    ) -> Outcome:
        """Return how the attempt ended. Never raises: a failure is an outcome, and so is being cut off.

        Without a `permit` the first call waits for one; `has_slot` tells whether the run takes a slot. A cut attempt
        hands its run back; where the run was cancelled or taken away meanwhile, the fence refuses that.
        """
        spent, retry, clock, meter = Spent(timezone.now(), ""), RetryPolicy(), time.monotonic(), None
        with structlog.contextvars.bound_contextvars(run_id=run.id, batch_id=run.batch_id, attempt=run.attempt):
            try:
                if prepared is None:
                    prepared = prepare(run, await self._agents.get(run.version_id))
                retry, spent.model = prepared.agent.spec.retry, prepared.agent.model.name.full
                spent.is_pooled = prepared.agent.has_pool
                meter = self._make_meter(prepared, permit, has_slot) if self._make_meter else None
                finished = await self._drive(prepared, spent, meter)
                end = self._succeeded(run, spent, finished)
            except asyncio.CancelledError:
                end = self.handed_back(run, spent)
            except Exception as error:
                end = self._failed(run, spent, retry, classify(error), meter)
        waited = 0.0
        if meter is not None:
            waited = meter.waited
            meter.close()
            # Later waits lie between its calls.
            spent.started_at += timedelta(seconds=meter.first_waited)
        spent.latency_ms = round((time.monotonic() - clock - waited) * 1000)
        return end

    async def _drive(self, prepared: PreparedRun, spent: Spent, meter: RunMeter | None) -> RunFinished:
        models = prepared.agent.models
        if len(models) > 1:
            async with RunRoute(prepared, self._clients, meter, self._on_broken) as route:
                return await self._follow(prepared, spent, route)
        # Most agents have one model: what a choice would cost is saved for each of their rows.
        (model,) = models
        async with self._clients.lease(model.provider, model.config) as client:
            return await self._follow(prepared, spent, FixedRoute(Target(model.name, client, model.price), meter))

    async def _follow(self, prepared: PreparedRun, spent: Spent, route: Route) -> RunFinished:
        """Return the answer of the run along `route`, and note what happens."""
        run, keys = prepared.run, prepared.first_keys
        store = self._answers.of(prepared.agent) if self._answers is not None and keys else None
        notes = Notes(spent, is_single=run.batch_id is None)
        live = LiveRun(self._publisher, prepared) if prepared.is_streamed and self._publisher is not None else None
        running = run_agent(
            prepared.spec,
            prepared.messages,
            route,
            stream=live is not None,
            correlation_id=f"{run.id}-{run.attempt}",
            store=store,
            first_keys=keys,
        )
        with closing(live) if live is not None else nullcontext():
            async with aclosing(running) as events:
                async for event in events:
                    notes.take(event)
                    if live is not None:
                        live.take(event)
                    if isinstance(event, RunFinished):
                        return event
        raise WorkError(ErrorCode.BAD_RESPONSE, "The agent ended without an answer.")

    def _outcome(self, run: ClaimedRun, spent: Spent, kind: AttemptOutcome, state: RunState) -> Callable[..., Outcome]:
        def build(tries: int = run.tries, **values: object) -> Outcome:
            return Outcome(run, self._worker, spent, kind, state, tries, **values)  # type: ignore[arg-type]

        return build

    def _succeeded(self, run: ClaimedRun, spent: Spent, finished: RunFinished) -> Outcome:
        parsed = None if finished.parsed is None else storable_json(finished.parsed)
        details = None if finished.completion is None else completion_details(run, finished.completion)
        completion = None if details is None else storable_json(details)
        build = self._outcome(run, spent, AttemptOutcome.SUCCEEDED, RunState.SUCCEEDED)
        return build(output=storable(finished.output), parsed_json=parsed, completion_json=completion)

    def handed_back(self, run: ClaimedRun, spent: Spent | None = None) -> Outcome:
        """Return the outcome of an attempt that was cut off: its run waits again, at no cost of a try."""
        spent = spent or Spent(timezone.now(), "")
        return self._outcome(run, spent, AttemptOutcome.HANDED_BACK, waiting_state(run))()

    def unstorable(self, outcome: Outcome) -> Outcome:
        """Return what to store in place of an outcome that the database refuses."""
        spent = Spent(outcome.spent.started_at, outcome.spent.model, latency_ms=outcome.spent.latency_ms)
        build = self._outcome(outcome.run, spent, AttemptOutcome.FAILED, RunState.FAILED)
        message = "The answer could not be stored; the worker's log says why."
        return build(error_code=ErrorCode.BAD_RESPONSE, error_message=message)

    def _failed(
        self, run: ClaimedRun, spent: Spent, retry: RetryPolicy, error: WorkError, meter: RunMeter | None
    ) -> Outcome:
        tries = run.tries + (not is_free(run, error, meter))
        values = {"error_code": error.code, "error_message": storable(error.message)[:LONGEST_ERROR_MESSAGE]}
        spent.events.append(EventRecord(RunEventKind.ERROR, {"code": error.code}, timezone.now()))
        if error.code in PAUSING_CODES and run.batch_id is not None:
            build = self._outcome(run, spent, AttemptOutcome.RETRIED, waiting_state(run))
            return build(pause_reason=pause_reason(error, spent.model), **values)
        if error.code is ErrorCode.LIMIT_SECONDS and meter is not None and meter.is_probe:
            # A provider that still hangs, not a row that takes too long.
            return self._outcome(run, spent, AttemptOutcome.RETRIED, waiting_state(run))(delay=retry.delay(1), **values)
        if error.is_transient and tries < retry.max_tries:
            # Refusals cost no try, but each makes the next wait longer.
            delay = retry.delay(max(tries, run.attempt - run.tries), error.retry_after)
            if meter is not None and error.code not in HELD_BACK_CODES:
                delay = max(delay, meter.retry_wait())
            log.info("run_retried", code=str(error.code), tries=tries, delay=round(delay, 2))
            build = self._outcome(run, spent, AttemptOutcome.RETRIED, waiting_state(run))
            return build(tries=tries, delay=delay, **values)
        log.info("run_failed", code=str(error.code), tries=tries)
        return self._outcome(run, spent, AttemptOutcome.FAILED, RunState.FAILED)(tries=tries, **values)


def is_free(run: ClaimedRun, error: WorkError, meter: RunMeter | None) -> bool:
    """Tell whether an attempt that ended in `error` costs no try.

    What the provider refused for its rate limit was not tried, and a probe tries the provider, not the run.
    """
    if error.code is ErrorCode.RATE_LIMITED:
        return run.attempt - run.tries <= MOST_FREE_ATTEMPTS
    return meter is not None and meter.is_probe


def pause_reason(error: WorkError, model: str) -> str:
    """Return why a batch is paused that cannot go on with `model` (credential/model, empty where it is not known)."""
    credential = model.partition("/")[0]
    whose = f" of credential '{credential}'" if credential else ""
    what = PAUSING_CODES[ErrorCode(error.code)].format(whose=whose)
    reason = f"{what}: {storable(error.message)}"
    return f"{reason[: LONGEST_REASON - 40]} Put it right, then resume."


def waiting_state(run: ClaimedRun) -> RunState:
    """Return the state in which `run` waits to be taken: pending in a batch, queued alone."""
    return RunState.QUEUED if run.batch_id is None else RunState.PENDING


def classify(error: Exception) -> WorkError:
    """Return `error` as a WorkError. What nobody foresaw is logged with its traceback and counts as a server error."""
    if isinstance(error, WorkError):
        return error
    if isinstance(error, InvalidInput):
        return WorkError(ErrorCode.INVALID_REQUEST, str(error))
    log.exception("run_crashed_in_process", error=type(error).__name__)
    return WorkError(ErrorCode.SERVER_ERROR, f"Internal error ({type(error).__name__}); the worker's log has it.")
