"""The executor: from a claimed run to its outcome, with a real simulated provider and no worker process."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agents.events import FailedOver, StepFinished
from agents.llm.pool import ClientPool
from agents.llm.types import MOST_TOKENS, Completion, Usage
from agents.models import AgentVersion
from agents.spec import AgentSpec, RunLimits
from batches.execution.agents_cache import AgentCache
from batches.execution.claims import ClaimedRun, claim_singles
from batches.execution.dispatcher import Dispatcher
from batches.execution.executor import MOST_FREE_ATTEMPTS, Executor, MakeMeter, classify
from batches.execution.leases import open_lease
from batches.execution.metering import RunMeter
from batches.execution.noting import LONGEST_EVENT_TEXT, Notes
from batches.execution.outcomes import Outcome, Spent
from batches.execution.permits import Permit
from batches.execution.prepared import PreparedRun
from batches.execution.remaining import within_limits
from batches.execution.slots import Slots
from batches.execution.storable import storable, storable_json
from batches.models import AttemptOutcome
from batches.states import RunState
from credentials.models import Credential
from tests.support.factories import ECHO, make_agent, make_single_run
from workers.engine import Engine
from workers.errors import ErrorCode, InvalidInput, WorkError
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Limits
from workers.redis import close_async_connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine()
    yield running
    running.stop()


def claimed(version: AgentVersion, **columns: object) -> ClaimedRun:
    """Return a single run of `version`, claimed."""
    run = make_single_run(version, columns or {"text": "hello"})
    return claim_singles([run.pk], open_lease("p", None))[0]


def execute(
    engine: Engine, run: ClaimedRun, cut_after: float | None = None, make_meter: MakeMeter | None = None
) -> Outcome:
    """Execute `run`; cut it off after some seconds where asked."""
    executor = Executor(AgentCache(engine), ClientPool(), "here:1:1", make_meter)

    async def drive() -> Outcome:
        task = asyncio.ensure_future(executor.execute(run))
        if cut_after is not None:
            await asyncio.sleep(cut_after)
            task.cancel()
        return await task

    return engine.submit(drive()).result(timeout=20)


def version_with(**settings: object) -> AgentVersion:
    """Return a version on an echoing simulated model with `settings`."""
    fields = {
        key: settings.pop(key) for key in ("retry", "abilities", "output_schema", "max_seconds") if key in settings
    }
    version = make_agent(parameters={"simulated": {**ECHO["simulated"], **settings}}, **fields).current_version
    assert version is not None
    return version


def test_a_success_carries_output_usage_and_what_happened(engine: Engine) -> None:
    outcome = execute(engine, claimed(version_with()))
    assert (outcome.kind, outcome.state, outcome.output) == (AttemptOutcome.SUCCEEDED, RunState.SUCCEEDED, "hello")
    assert outcome.spent.usage.input_tokens > 0
    assert outcome.spent.model.endswith("/echo-1")
    assert [event.kind for event in outcome.spent.events] == ["step"]


def test_tools_are_kept_as_events(engine: Engine) -> None:
    script = [{"name": "calculator", "arguments": {"expression": "6*7"}}]
    outcome = execute(engine, claimed(version_with(tool_calls=script, abilities=["calculator"])))
    assert outcome.state is RunState.SUCCEEDED
    kinds = [event.kind for event in outcome.spent.events]
    assert kinds == ["step", "tool_call", "tool_result", "step"]
    assert outcome.spent.events[2].data["result"] == "42"
    assert outcome.spent.steps == 2


def test_a_transient_error_waits_and_costs_a_try(engine: Engine) -> None:
    version = version_with(errors={"server_error": 1}, retry={"strategy": "fixed", "base_seconds": 3, "max_tries": 2})
    outcome = execute(engine, claimed(version))
    assert (outcome.kind, outcome.state, outcome.tries, outcome.delay) == ("retried", RunState.QUEUED, 1, 3)
    assert outcome.error_code == "server_error"


def test_the_last_try_fails(engine: Engine) -> None:
    outcome = execute(engine, claimed(version_with(errors={"timeout": 1}, retry={"max_tries": 1})))
    assert (outcome.kind, outcome.state, outcome.tries, outcome.error_code) == ("failed", "failed", 1, "timeout")


def test_a_rate_limit_costs_no_try_and_waits_what_it_was_told(engine: Engine) -> None:
    version = version_with(errors={"rate_limited": 1, "retry_after": 7}, retry={"max_tries": 1})
    outcome = execute(engine, claimed(version))
    assert (outcome.kind, outcome.tries) == ("retried", 0)
    assert outcome.delay >= 7


def test_each_refusal_makes_the_next_wait_longer_up_to_the_ceiling(engine: Engine) -> None:
    retry = {"base_seconds": 1, "max_seconds": 60}
    run = claimed(version_with(errors={"rate_limited": 1}, retry=retry))
    delays = [execute(engine, replace(run, attempt=attempt)).delay for attempt in (1, 4, 9)]
    assert 0.5 <= delays[0] <= 1
    assert 4 <= delays[1] <= 8
    assert 30 <= delays[2] <= 60


def test_a_row_that_is_refused_for_ever_pays_for_refusals_in_the_end_and_fails(engine: Engine) -> None:
    run = claimed(version_with(errors={"rate_limited": 1}, retry={"max_tries": 2}))
    last_free = execute(engine, replace(run, attempt=MOST_FREE_ATTEMPTS))
    assert (last_free.state, last_free.tries) == (RunState.QUEUED, 0)
    paid = execute(engine, replace(run, attempt=MOST_FREE_ATTEMPTS + 1))
    assert (paid.state, paid.tries) == (RunState.QUEUED, 1)
    end = execute(engine, replace(run, attempt=MOST_FREE_ATTEMPTS + 2, tries=1))
    assert (end.state, end.tries, end.error_code) == (RunState.FAILED, 2, "rate_limited")


def test_tries_that_were_paid_for_do_not_count_among_the_free_ones(engine: Engine) -> None:
    run = claimed(version_with(errors={"rate_limited": 1}, retry={"max_tries": 100}))
    assert execute(engine, replace(run, attempt=MOST_FREE_ATTEMPTS + 30, tries=30)).tries == 30
    assert execute(engine, replace(run, attempt=MOST_FREE_ATTEMPTS + 30, tries=29)).tries == 30


def test_an_attempt_starts_with_its_first_call_however_long_later_calls_wait(engine: Engine) -> None:
    script = [{"name": "calculator", "arguments": {"expression": "6*7"}}]
    run = claimed(version_with(tool_calls=script, abilities=["calculator"]))
    meters: list[RunMeter] = []

    def make_meter(prepared: PreparedRun, permit: Permit | None, has_slot: bool) -> RunMeter:
        dispatcher = Dispatcher(Slots(10), Limiter("here"))
        gate = dispatcher.gate(prepared.agent.model.bucket)
        gate.limits = Limits(requests_per_minute=120)
        dispatcher.close(gate, 0.3)
        refused, begin = (lambda *_: None), (lambda: begins.append(timezone.now()))
        meters.append(
            RunMeter(dispatcher, gate, prepared.need, permit, refused, begin, lambda _: gate, has_slot=has_slot)
        )
        return meters[0]

    begins: list[datetime] = []
    begun = timezone.now()
    outcome = execute(engine, run, make_meter=make_meter)
    engine.submit(close_async_connection()).result(timeout=5)
    assert outcome.state is RunState.SUCCEEDED
    # The first waits for the gate, the second for its turn at two a second.
    assert meters[0].waited > 0.6
    first_call = outcome.spent.events[0].at
    assert begun + timedelta(seconds=0.25) < outcome.spent.started_at <= first_call
    assert outcome.spent.latency_ms < 300
    # Once, when the first call starts.
    (begin,) = begins
    assert abs(begin - outcome.spent.started_at) < timedelta(seconds=0.1)


def test_usage_beyond_all_reason_is_capped_as_the_client_caps_it() -> None:
    spent = Spent(timezone.now(), "")
    Notes(spent, is_single=True).take(StepFinished(1, Completion("x", usage=Usage(10**12, -1)), Decimal(0), 1))
    assert spent.usage == Usage(MOST_TOKENS, 0)
    assert spent.events[0].data["input_tokens"] == MOST_TOKENS


def test_what_a_model_thought_is_kept_with_its_call() -> None:
    spent = Spent(timezone.now(), "")
    thoughts = "First the tens.\x00" + "x" * 30_000
    Notes(spent, is_single=True).take(StepFinished(1, Completion("42", reasoning=thoughts), Decimal(0), 1))
    kept = spent.events[0].data["reasoning"]
    assert isinstance(kept, str)
    assert kept.startswith("First the tens.\ufffd")
    assert len(kept) == LONGEST_EVENT_TEXT


def test_a_permanent_error_fails_at_once(engine: Engine) -> None:
    outcome = execute(engine, claimed(version_with(errors={"content_policy": 1})))
    assert (outcome.state, outcome.error_code) == (RunState.FAILED, "content_policy")


def test_an_answer_beside_the_schema_fails_with_its_cost(engine: Engine) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    outcome = execute(engine, claimed(version_with(reply="invalid", output_schema=schema)))
    assert (outcome.state, outcome.error_code) == (RunState.FAILED, "schema_mismatch")
    assert outcome.spent.usage.total_tokens > 0


def test_a_cut_attempt_hands_its_run_back_without_a_try(engine: Engine) -> None:
    outcome = execute(engine, claimed(version_with(latency=30)), cut_after=0.3)
    assert (outcome.kind, outcome.state, outcome.tries, outcome.delay) == ("handed_back", RunState.QUEUED, 0, 0)
    assert outcome.spent.latency_ms >= 200


def test_too_long_a_run_ends_at_its_limit(engine: Engine) -> None:
    outcome = execute(engine, claimed(version_with(latency=30, max_seconds=0.2)))
    assert (outcome.state, outcome.error_code) == (RunState.FAILED, "limit_seconds")


def test_a_disabled_credential_fails_with_its_name(engine: Engine) -> None:
    version = version_with()
    Credential.objects.filter(pk=version.credential_id).update(is_active=False)
    outcome = execute(engine, claimed(version))
    assert outcome.error_code == "invalid_key"
    assert version.credential.name in (outcome.error_message or "")


def test_errors_nobody_foresaw_become_server_errors_without_their_text() -> None:
    error = classify(ZeroDivisionError("secret"))
    assert error.code is ErrorCode.SERVER_ERROR
    assert "secret" not in error.message
    assert classify(InvalidInput("line 3")).code is ErrorCode.INVALID_REQUEST
    own = WorkError(ErrorCode.TIMEOUT, "x")
    assert classify(own) is own


def test_what_a_database_cannot_store_is_replaced_and_all_else_kept() -> None:
    assert storable("a\x00b") == "a\ufffdb"
    assert storable("tree \U0001f333 \ud800 end") == "tree \U0001f333 \ufffd end"
    assert storable("literal \\u0000 stays") == "literal \\u0000 stays"
    assert storable_json({"k\x00": ["a\x00", 1, None]}) == '{"k\ufffd":["a\ufffd",1,null]}'
    assert storable_json({"text": "\\u0000"}) == '{"text":"\\\\u0000"}'


def test_money_and_tokens_are_limited_over_all_attempts() -> None:
    run = ClaimedRun(1, None, 2, 1, 1, 1, "columns", "{}", 0, Decimal("0.4"), 30, 20)
    spec = AgentSpec("a", 1, "c", "m", limits=RunLimits(max_tokens=80, max_cost=Decimal(1)))
    left = within_limits(spec, run).limits
    assert (left.max_tokens, left.max_cost) == (30, Decimal("0.6"))
    fresh = replace(run, cost=Decimal(0), input_tokens=0, output_tokens=0)
    assert within_limits(spec, fresh) is spec
    with pytest.raises(WorkError, match="50 tokens of 50"):
        within_limits(replace(spec, limits=RunLimits(max_tokens=50)), run)
    with pytest.raises(WorkError, match=r"0\.4 US dollars of 0\.4"):
        within_limits(replace(spec, limits=RunLimits(max_cost=Decimal("0.4"))), run)


@pytest.mark.parametrize(("cached", "expected"), [([True, True], True), ([True, False], False), ([False, True], False)])
def test_an_answer_counts_as_cached_where_nobody_was_asked(cached: list[bool], expected: bool) -> None:
    spent = Spent(timezone.now(), "")
    notes = Notes(spent, is_single=False)
    for step, is_cached in enumerate(cached, start=1):
        notes.take(StepFinished(step, Completion("x", is_cached=is_cached), Decimal(0), 1))
    assert spent.is_cached is expected


def test_a_failure_is_told_for_when_it_happened_not_for_when_another_model_had_answered() -> None:
    spent = Spent(timezone.now(), "")
    failed = FailedOver(1, "sim/a", WorkError(ErrorCode.OVERLOADED, "Busy."), at=time.perf_counter() - 30)
    Notes(spent, is_single=False).take(failed)
    assert 29 < (timezone.now() - spent.events[0].at).total_seconds() < 40
