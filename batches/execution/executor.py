"""One claimed run, from its input to its outcome: everything between two transactions."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import orjson
import structlog
from django.utils import timezone

from agents.events import RunFinished, RunnerEvent, StepFinished, ToolFinished, ToolStarted
from agents.llm.pool import ClientPool
from agents.llm.types import Usage
from agents.messages import build_messages
from agents.runner import run_agent
from agents.spec import AgentSpec
from batches.models import AttemptOutcome, RunEventKind
from batches.states import RunState
from workers.errors import ErrorCode, InvalidInput, WorkError
from workers.retry import RetryPolicy

from .agents_cache import AgentCache, LoadedAgent
from .claims import ClaimedRun
from .outcomes import EventRecord, Outcome, Spent
from .storable import storable, storable_json

log = structlog.get_logger(__name__)

LONGEST_ERROR_MESSAGE = 2000
LONGEST_EVENT_TEXT = 20_000
# More tokens than any model takes or gives in one call.
MOST_TOKENS = 50_000_000


class Executor:
    """Runs claimed runs in the process' loop. It holds no transaction and reads the database only for agents."""

    def __init__(self, agents: AgentCache, clients: ClientPool, worker: str) -> None:
        """`worker` is this process' name, as it will stand on the attempts."""
        self._agents = agents
        self._clients = clients
        self._worker = worker

    async def execute(self, run: ClaimedRun) -> Outcome:
        """Return how the attempt ended. Never raises: a failure is an outcome, and so is being cut off.

        A cut attempt hands its run back; where the run was cancelled or taken away meanwhile, the fence refuses that.
        """
        spent, retry, clock = Spent(timezone.now(), ""), RetryPolicy(), time.monotonic()
        with structlog.contextvars.bound_contextvars(run_id=run.id, batch_id=run.batch_id, attempt=run.attempt):
            try:
                agent = await self._agents.get(run.version_id)
                retry, spent.model = agent.spec.retry, agent.model
                finished = await self._drive(run, agent, spent)
                end = self._succeeded(run, spent, finished)
            except asyncio.CancelledError:
                end = self.handed_back(run, spent)
            except Exception as error:
                end = self._failed(run, spent, retry, classify(error))
        spent.latency_ms = round((time.monotonic() - clock) * 1000)
        return end

    async def _drive(self, run: ClaimedRun, agent: LoadedAgent, spent: Spent) -> RunFinished:
        spec = within_limits(agent.spec, run)
        messages = build_messages(spec, run.input_kind, orjson.loads(run.input_json))
        correlation_id = f"{run.id}-{run.attempt}"
        async with (
            self._clients.lease(agent.provider, agent.config) as client,
            aclosing(run_agent(spec, messages, client, correlation_id=correlation_id)) as events,
        ):
            async for event in events:
                note(event, spent, keep_steps=run.batch_id is None)
                if isinstance(event, RunFinished):
                    return event
        raise WorkError(ErrorCode.BAD_RESPONSE, "The agent ended without an answer.")

    def _outcome(self, run: ClaimedRun, spent: Spent, kind: AttemptOutcome, state: RunState) -> Callable[..., Outcome]:
        def build(tries: int = run.tries, **values: object) -> Outcome:
            return Outcome(run, self._worker, spent, kind, state, tries, **values)  # type: ignore[arg-type]

        return build

    def _succeeded(self, run: ClaimedRun, spent: Spent, finished: RunFinished) -> Outcome:
        parsed = None if finished.parsed is None else storable_json(finished.parsed)
        build = self._outcome(run, spent, AttemptOutcome.SUCCEEDED, RunState.SUCCEEDED)
        return build(output=storable(finished.output), parsed_json=parsed)

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

    def _failed(self, run: ClaimedRun, spent: Spent, retry: RetryPolicy, error: WorkError) -> Outcome:
        # What the provider refused for its rate limit was not tried, so it costs no try.
        tries = run.tries + (error.code is not ErrorCode.RATE_LIMITED)
        values = {"error_code": error.code, "error_message": storable(error.message)[:LONGEST_ERROR_MESSAGE]}
        spent.events.append(EventRecord(RunEventKind.ERROR, {"code": error.code}, timezone.now()))
        if error.is_transient and tries < retry.max_tries:
            # Refusals cost no try, but each makes the next wait longer.
            delay = retry.delay(max(tries, run.attempt - run.tries), error.retry_after)
            log.info("run_retried", code=str(error.code), tries=tries, delay=round(delay, 2))
            build = self._outcome(run, spent, AttemptOutcome.RETRIED, waiting_state(run))
            return build(tries=tries, delay=delay, **values)
        log.info("run_failed", code=str(error.code), tries=tries)
        return self._outcome(run, spent, AttemptOutcome.FAILED, RunState.FAILED)(tries=tries, **values)


def within_limits(spec: AgentSpec, run: ClaimedRun) -> AgentSpec:
    """Return `spec` with what earlier attempts of the run left of its tokens and money.

    Raises WorkError LIMIT_TOKENS or LIMIT_COST where nothing is left.
    """
    limits, used = spec.limits, run.input_tokens + run.output_tokens
    if used and limits.max_tokens is not None:
        if used >= limits.max_tokens:
            raise WorkError(ErrorCode.LIMIT_TOKENS, f"Earlier attempts used {used} tokens of {limits.max_tokens}")
        limits = replace(limits, max_tokens=limits.max_tokens - used)
    if run.cost and limits.max_cost is not None:
        if run.cost >= limits.max_cost:
            spent = f"{run.cost.normalize():f} US dollars of {limits.max_cost.normalize():f}"
            raise WorkError(ErrorCode.LIMIT_COST, f"Earlier attempts spent {spent}")
        limits = replace(limits, max_cost=limits.max_cost - run.cost)
    return spec if limits is spec.limits else replace(spec, limits=limits)


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


def note(event: RunnerEvent, spent: Spent, *, keep_steps: bool) -> None:
    """Add `event` to what the attempt has spent, and keep it where a person may ask for it.

    A batch row with one plain call is told wholly by its attempt; tool calls are kept for every run.
    """
    match event:
        case StepFinished(step=step, completion=completion, cost=cost):
            spent.usage += plausible(completion.usage)
            spent.cost += cost
            spent.steps = step
            spent.request_id = storable(completion.request_id[:200])
            if spent.first_token_ms is None:
                spent.first_token_ms = event.first_token_ms
            if keep_steps:
                spent.events.append(EventRecord(RunEventKind.STEP, step_data(event), timezone.now()))
        case ToolStarted(step=step, call=call):
            data = {"step": step, "name": clipped(call.name), "arguments": clipped(call.arguments)}
            spent.events.append(EventRecord(RunEventKind.TOOL_CALL, data, timezone.now()))
        case ToolFinished(step=step, call=call):
            data = {
                "step": step,
                "name": clipped(call.name),
                "result": clipped(event.result),
                "is_error": event.is_error,
                "latency_ms": event.latency_ms,
            }
            spent.events.append(EventRecord(RunEventKind.TOOL_RESULT, data, timezone.now()))


def step_data(event: StepFinished) -> dict[str, object]:
    """Return what is kept of a model call."""
    usage = plausible(event.completion.usage)
    return {
        "step": event.step,
        "latency_ms": event.latency_ms,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "finish_reason": clipped(event.completion.finish_reason),
        "tool_calls": len(event.completion.tool_calls),
    }


def plausible(usage: Usage) -> Usage:
    """Return `usage` within bounds: a provider may report any number, a column holds 31 bits."""
    return Usage(*(max(0, min(tokens, MOST_TOKENS)) for tokens in (usage.input_tokens, usage.output_tokens)))


def clipped(text: str) -> str:
    """Return at most LONGEST_EVENT_TEXT characters of `text`, fit for storing."""
    return storable(text[:LONGEST_EVENT_TEXT])
