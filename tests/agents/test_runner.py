import asyncio
import json
import re
import time
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from agents.abilities import ability, granted, registry
from agents.answers import answer_json, request_keys, stored_completion
from agents.events import FailedOver, RunFinished, StepFinished, StepStarted, TextProduced, ToolFinished, ToolStarted
from agents.llm.errors import BilledError
from agents.llm.types import Completion, CompletionRequest, Message, Price, TextDelta, Usage
from agents.messages import build_messages
from agents.metering import Unmetered
from agents.routing import ModelName, Target, own_model
from agents.runner import MAX_CALLS_PER_STEP, run_agent
from agents.spec import AgentSpec, RunLimits
from tests.support.scripted_provider import ScriptedProvider, asks_for, says
from workers.errors import ErrorCode, WorkError

SPEC = AgentSpec(
    "triage",
    1,
    "test",
    "scripted-1",
    instructions="Be brief.",
    prompt="{{ text }}",
    parameters={"temperature": 0},
    abilities=("calculator", "now"),
    price=Price(Decimal(1), Decimal(2)),
)
MESSAGES = build_messages(SPEC, "columns", {"text": "hello"})
SUM = ("calculator", '{"expression": "6*7"}')


async def events_of(provider, spec=SPEC, **options):
    """Return the events of a run and the WorkError that ended it, or None."""
    events = []
    route = own_model(spec, provider.client, options.pop("meter", None))
    try:
        async with aclosing(run_agent(spec, MESSAGES, route, **options)) as running:
            async for event in running:
                events.append(event)  # noqa: PERF401 - what came before an error counts
    except WorkError as error:
        return events, error
    return events, None


def names_of(events):
    return [type(event).__name__ for event in events]


async def test_an_answer_in_one_step():
    provider = ScriptedProvider([says("hi")])

    events, error = await events_of(provider, correlation_id="run-1")

    assert error is None
    assert names_of(events) == ["StepStarted", "StepFinished", "RunFinished"]
    assert events[1].cost == Decimal("0.00002")
    assert events[-1] == RunFinished("hi", None, Usage(10, 5), Decimal("0.00002"), 1)
    (request,) = provider.requests
    assert request.messages == (Message("system", "Be brief."), Message("user", "hello"))
    assert (request.model, request.parameters, request.correlation_id) == ("scripted-1", {"temperature": 0}, "run-1")
    assert [tool.name for tool in request.tools] == ["calculator", "now"]
    assert 599 < request.timeout <= 600


async def test_tools_are_called_and_their_results_go_back():
    provider = ScriptedProvider([asks_for(SUM, ("calculator", "{")), says("It is 42.")])

    events, error = await events_of(provider)

    assert error is None
    assert names_of(events) == [
        "StepStarted",
        "StepFinished",
        "ToolStarted",
        "ToolStarted",
        "ToolFinished",
        "ToolFinished",
        "StepStarted",
        "StepFinished",
        "RunFinished",
    ]
    first, second = [event for event in events if isinstance(event, ToolFinished)]
    assert (first.result, first.is_error, first.call.id) == ("42", False, "call_0")
    assert second.is_error
    assert "not JSON" in second.result
    assert events[-1].usage == Usage(20, 10)
    assert events[-1].cost == sum(event.cost for event in events if isinstance(event, StepFinished))
    assert events[-1].steps == 2
    asked, result, mistake = provider.requests[1].messages[2:]
    assert (asked.role, [call.name for call in asked.tool_calls]) == ("assistant", ["calculator", "calculator"])
    assert (result.role, result.content, result.tool_call_id) == ("tool", "42", "call_0")
    assert mistake.tool_call_id == "call_1"


async def test_a_tool_that_was_not_granted_is_refused_but_the_run_goes_on():
    provider = ScriptedProvider([asks_for(SUM), says("then not")])

    events, error = await events_of(provider, replace(SPEC, abilities=()))

    assert error is None
    (refused,) = [event for event in events if isinstance(event, ToolFinished)]
    assert refused.is_error
    assert provider.requests[0].tools == ()
    assert events[-1].output == "then not"


async def test_the_text_is_told_as_it_comes():
    provider = ScriptedProvider([asks_for(SUM), says("it is 42")])

    events, error = await events_of(provider, stream=True)

    assert error is None
    assert [event.text for event in events if isinstance(event, TextProduced)] == ["it", "is", "42"]
    assert {event.step for event in events if isinstance(event, TextProduced)} == {2}
    tools, answer = [event for event in events if isinstance(event, StepFinished)]
    assert tools.first_token_ms is None
    assert answer.first_token_ms is not None
    assert events[-1].output == "it is 42"


async def test_leaving_early_closes_the_stream():
    provider = ScriptedProvider([says("a b c d")])

    async with aclosing(run_agent(SPEC, MESSAGES, own_model(SPEC, provider.client), stream=True)) as events:
        async for event in events:
            if isinstance(event, TextProduced):
                break

    assert provider.closed_streams == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_error_is_passed_on_as_it_is(stream):
    raised = WorkError(ErrorCode.RATE_LIMITED, "slow down", retry_after=7)
    provider = ScriptedProvider([asks_for(SUM), raised])

    events, error = await events_of(provider, stream=stream)

    assert error is raised
    assert names_of(events)[-1] == "StepStarted"
    assert sum(isinstance(event, StepFinished) for event in events) == 1


async def test_an_ability_that_is_gone_fails_the_run_before_any_call():
    provider = ScriptedProvider([says("hi")])

    events, error = await events_of(provider, replace(SPEC, abilities=("fax_machine",)))

    assert error is not None
    assert error.code is ErrorCode.INVALID_REQUEST
    assert events == provider.requests == []


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_stops_a_call_at_once(stream):
    provider = ScriptedProvider([says("late")], delay=30)
    running = asyncio.create_task(events_of(provider, stream=stream))
    await asyncio.sleep(0.05)
    running.cancel()

    started = time.perf_counter()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.perf_counter() - started < 1


# Output schemas

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def test_an_answer_is_read_against_the_schema():
    provider = ScriptedProvider([says('```json\n{"n": 3}\n```')])

    events, error = await events_of(provider, replace(SPEC, output_schema=SCHEMA))

    assert error is None
    assert events[-1].parsed == {"n": 3}
    assert provider.requests[0].output_schema == SCHEMA


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says('{"n": "three"}'), r"at \$\.n"),
        (says('{"n": 3', finish_reason="length"), "cut at the model's limit of tokens"),
    ],
)
async def test_an_answer_that_does_not_fit_has_still_been_paid_for(answer, told):
    spec = replace(SPEC, output_schema=SCHEMA, limits=RunLimits(max_repairs=0))
    events, error = await events_of(ScriptedProvider([answer]), spec)

    assert error is not None
    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert re.search(told, error.message)
    assert names_of(events) == ["StepStarted", "StepFinished", "AnswerRejected"]
    assert events[-1].answer == answer.text


async def test_the_model_is_told_what_is_wrong_and_asked_again():
    provider = ScriptedProvider([says('{"n": "three"}'), says('{"n": 3}')])

    events, error = await events_of(provider, replace(SPEC, output_schema=SCHEMA))

    assert error is None
    assert names_of(events) == [
        "StepStarted",
        "StepFinished",
        "AnswerRejected",
        "StepStarted",
        "StepFinished",
        "RunFinished",
    ]
    assert re.search(r"\$\.n", events[2].problem)
    told = provider.requests[1].messages
    assert told[:-2] == provider.requests[0].messages
    assert told[-2] == Message("assistant", '{"n": "three"}')
    assert (told[-1].role, events[2].problem in told[-1].content) == ("user", True)
    assert events[-1].parsed == {"n": 3}
    assert (events[-1].usage, events[-1].cost) == (Usage(20, 10), Decimal("0.00004"))


async def test_the_model_is_asked_again_a_bounded_number_of_times():
    provider = ScriptedProvider([says('{"n": "three"}')] * 10)

    events, error = await events_of(provider, replace(SPEC, output_schema=SCHEMA, limits=RunLimits(max_repairs=3)))

    assert error is not None
    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert len(provider.requests) == 4
    assert names_of(events).count("StepFinished") == 4


async def test_asking_again_takes_no_step_from_the_tools():
    provider = ScriptedProvider([asks_for(SUM), says("{}"), says('{"n": 42}')])
    spec = replace(SPEC, output_schema=SCHEMA, limits=RunLimits(max_steps=2, max_repairs=1))

    events, error = await events_of(provider, spec)

    assert error is None
    assert events[-1].parsed == {"n": 42}


async def test_an_answer_cut_for_its_length_is_not_asked_for_again():
    provider = ScriptedProvider([says('{"n": 3', finish_reason="length")] * 3)

    _, error = await events_of(provider, replace(SPEC, output_schema=SCHEMA))

    assert error is not None
    assert len(provider.requests) == 1


class TwoModels:
    """A route that goes to its second model when the first fails."""

    def __init__(self, first: ScriptedProvider, second: ScriptedProvider):
        self.meter = Unmetered()
        self.names = (ModelName("a/one", "one", "a"), ModelName("b/two", "two", "b"))
        self._targets = [
            Target(name, provider.client, Price(Decimal(price), Decimal(0)))
            for name, provider, price in zip(self.names, (first, second), (1, 10), strict=True)
        ]

    async def choose(self):
        return self._targets[0]

    def fail_over(self, error):
        if len(self._targets) == 1 or error.code is not ErrorCode.OVERLOADED:
            return error
        self._targets.pop(0)
        return None


async def run_over(route, spec=SPEC, **options):
    """Return the events of a run along `route`."""
    async with aclosing(run_agent(spec, MESSAGES, route, **options)) as running:
        return [event async for event in running]


@pytest.mark.parametrize("stream", [False, True])
async def test_another_model_goes_on_with_the_same_conversation(stream):
    overloaded = WorkError(ErrorCode.OVERLOADED, "Too much to do.")
    first, second = ScriptedProvider([asks_for(SUM), overloaded]), ScriptedProvider([says("42")])

    events = await run_over(TwoModels(first, second), stream=stream)

    (moved,) = [event for event in events if isinstance(event, FailedOver)]
    assert (moved.step, moved.model, moved.error) == (2, "a/one", overloaded)
    assert [event.model for event in events if isinstance(event, StepFinished)] == ["a/one", "b/two"]
    # What was asked of the second model: the same, with the tool's result.
    assert second.requests[0].messages == first.requests[1].messages
    assert (first.requests[1].model, second.requests[0].model) == ("one", "two")
    # Ten input tokens a call, each at the price of the model that answered.
    assert events[-1].cost == Decimal("0.00011")


async def test_what_no_other_model_would_do_better_fails_the_run():
    refused = WorkError(ErrorCode.INVALID_REQUEST, "No such parameter.")
    second = ScriptedProvider([says("42")])

    with pytest.raises(WorkError, match="No such parameter"):
        await run_over(TwoModels(ScriptedProvider([refused]), second))
    assert second.requests == []


async def test_who_has_begun_to_speak_is_not_replaced():
    class Breaking(ScriptedProvider):
        async def stream(self, request):
            yield TextDelta("Once upon")
            raise WorkError(ErrorCode.OVERLOADED, "Cut.")

    with pytest.raises(WorkError, match="Cut"):
        await run_over(TwoModels(Breaking([]), ScriptedProvider([says("42")])), stream=True)


class Answers:
    """A store of answers in memory."""

    def __init__(self):
        self.kept = {}

    async def find(self, keys):
        return next(((key, stored_completion(self.kept[key])) for key in keys if key in self.kept), None)

    def keep(self, key, name, completion):
        self.kept[key] = answer_json(completion)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_identical_request_is_answered_from_the_store_at_no_cost(stream):
    store, provider = Answers(), ScriptedProvider([asks_for(SUM), says("42")])
    first, _ = await events_of(provider, store=store)

    events, error = await events_of(ScriptedProvider([]), store=store, stream=stream)

    assert error is None
    assert [name for name in names_of(events) if name != "TextProduced"] == names_of(first)
    assert [event.text for event in events if isinstance(event, TextProduced)] == (["42"] if stream else [])
    assert all(event.completion.is_cached for event in events if isinstance(event, StepFinished))
    assert events[-1] == RunFinished("42", None, Usage(), Decimal(0), 2)
    assert len(store.kept) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "scripted-2"},
        {"instructions": "Be long."},
        {"parameters": {"temperature": 1}},
        {"abilities": ("now",)},
        {"output_schema": {"type": "object"}},
    ],
)
async def test_a_request_that_differs_is_asked(changes):
    store, provider = Answers(), ScriptedProvider([says("{}"), says("{}")])
    await events_of(provider, store=store)
    messages = build_messages(replace(SPEC, **changes), "columns", {"text": "hello"})
    spec = replace(SPEC, **changes)
    async with aclosing(run_agent(spec, messages, own_model(spec, provider.client), store=store)) as running:
        events = [event async for event in running]
    assert not events[-2].completion.is_cached
    assert len(provider.requests) == 2


async def test_only_an_answer_that_fits_is_kept():
    store = Answers()
    spec = replace(SPEC, output_schema=SCHEMA)
    await events_of(ScriptedProvider([says('{"n": "three"}'), says('{"n": 3}')]), spec, store=store)

    assert [json.loads(kept)["text"] for kept in store.kept.values()] == ['{"n": 3}']
    again = ScriptedProvider([says('{"n": 4}')])
    events, _ = await events_of(again, spec, store=store)
    assert events[-1].parsed == {"n": 4}


async def test_an_answer_of_another_place_is_not_this_ones():
    request = CompletionRequest("one", MESSAGES)
    names = [ModelName("a/one", "one", "a"), ModelName("a/one", "one", "b"), ModelName("b/one", "one", "a")]

    keys = request_keys(names, "chat", request)

    # The place counts, not what its credential is called just now.
    assert keys[0] == keys[2] != keys[1]
    assert request_keys(names[:1], "embeddings", request) != keys[:1]
    assert request_keys(names[:1], "chat", replace(request, timeout=1.0, correlation_id="x")) == keys[:1]


@pytest.mark.parametrize(("stream", "output"), [(False, '{"a":1}'), (True, 'Here: {"a": 1}')])
async def test_a_plain_model_is_asked_once_for_json_and_what_was_told_of_it_stays(stream, output):
    provider = ScriptedProvider([says('Here: {"a": 1}')])
    spec = replace(SPEC, is_plain=True, abilities=(), output_schema={"type": "object"})

    events, error = await events_of(provider, spec, stream=stream)

    assert error is None
    assert (events[-1].output, events[-1].parsed) == (output, {"a": 1})


async def test_an_embedding_is_the_vector_of_the_prompt():
    provider = ScriptedProvider([])
    spec = replace(SPEC, operation="embeddings", parameters={"dimensions": 2}, abilities=())

    events, error = await events_of(provider, spec)

    assert error is None
    assert provider.embedded[0].inputs == ("Be brief.\n\nhello",)
    assert provider.embedded[0].parameters == {"dimensions": 2}
    assert events[-1] == RunFinished("", [0.5, -0.5], Usage(3, 0), Decimal("0.000003"), 1)


# Limits


def limited(**limits):
    return replace(SPEC, limits=RunLimits(**limits))


async def test_a_loop_of_tools_ends_at_the_limit_of_steps():
    provider = ScriptedProvider([asks_for(SUM)] * 10)

    events, error = await events_of(provider, limited(max_steps=3))

    assert error is not None
    assert error.code is ErrorCode.LIMIT_STEPS
    assert len(provider.requests) == 3
    # What the last call asks for is not run: no call could read the results.
    assert sum(isinstance(event, ToolStarted) for event in events) == 2
    assert isinstance(events[-1], StepFinished)


@pytest.mark.parametrize(
    ("limits", "calls", "code"),
    [
        ({"max_tokens": 15}, 1, ErrorCode.LIMIT_TOKENS),
        ({"max_tokens": 14}, 1, ErrorCode.LIMIT_TOKENS),
        ({"max_tokens": 29}, 2, ErrorCode.LIMIT_TOKENS),
        ({"max_cost": Decimal("0.00002")}, 1, ErrorCode.LIMIT_COST),
        ({"max_cost": Decimal("0.000019")}, 1, ErrorCode.LIMIT_COST),
        ({"max_cost": Decimal("0.000039")}, 2, ErrorCode.LIMIT_COST),
        ({"max_cost": Decimal(0)}, 1, ErrorCode.LIMIT_COST),
    ],
)
async def test_tokens_and_money_are_limited_and_what_was_spent_is_told(limits, calls, code):
    provider = ScriptedProvider([asks_for(SUM)] * 10)

    events, error = await events_of(provider, limited(**limits))

    assert error is not None
    assert error.code is code
    assert len(provider.requests) == calls
    assert sum(isinstance(event, StepFinished) for event in events) == calls


async def test_an_answer_over_the_limit_fails():
    events, error = await events_of(ScriptedProvider([says("hi")]), limited(max_tokens=14))

    assert error is not None
    assert error.code is ErrorCode.LIMIT_TOKENS
    assert isinstance(events[-1], StepFinished)


async def test_an_answer_exactly_at_its_limits_succeeds():
    events, error = await events_of(
        ScriptedProvider([says("hi")]), limited(max_steps=1, max_tokens=15, max_cost=Decimal("0.00002"))
    )

    assert error is None
    assert isinstance(events[-1], RunFinished)


async def test_a_limit_of_no_money_allows_what_is_free():
    spec = replace(limited(max_cost=Decimal(0)), price=Price())

    events, error = await events_of(ScriptedProvider([asks_for(SUM), says("free")]), spec)

    assert error is None
    assert events[-1].output == "free"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_whole_run_is_limited_in_time(stream):
    provider = ScriptedProvider([asks_for(SUM), says("late")], delay=0.2)

    started = time.perf_counter()
    events, error = await events_of(provider, limited(max_seconds=0.3), stream=stream)

    assert error is not None
    assert error.code is ErrorCode.LIMIT_SECONDS
    assert 0.2 < time.perf_counter() - started < 1
    assert provider.requests[1].timeout < 0.2
    assert sum(isinstance(event, StepFinished) for event in events) == 1


async def test_a_timeout_within_the_limit_stays_a_timeout():
    provider = ScriptedProvider([WorkError(ErrorCode.TIMEOUT, "gateway timeout")])

    _, error = await events_of(provider)

    assert error is not None
    assert error.code is ErrorCode.TIMEOUT


@pytest.fixture
def wait_ability(monkeypatch):
    """An ability that waits for as many seconds as it is told."""
    monkeypatch.setattr(registry, "_abilities", dict(registry._loaded()))
    granted._resolve.cache_clear()

    @ability
    async def wait(seconds: float) -> float:
        """Wait."""
        await asyncio.sleep(seconds)
        return seconds

    yield
    granted._resolve.cache_clear()


async def test_tools_of_one_step_run_at_once_and_answer_in_order(wait_ability):
    calls = [("wait", f'{{"seconds": {seconds}}}') for seconds in (0.3, 0.1, 0.2)]
    provider = ScriptedProvider([asks_for(*calls), says("done")])

    started = time.perf_counter()
    events, error = await events_of(provider, replace(SPEC, abilities=("wait",)))

    assert error is None
    assert time.perf_counter() - started < 0.55
    assert [message.content for message in provider.requests[1].messages[3:]] == ["0.3", "0.1", "0.2"]
    assert [event.call.id for event in events if isinstance(event, ToolFinished)] == ["call_0", "call_1", "call_2"]


async def test_tools_are_limited_in_time_too(wait_ability):
    provider = ScriptedProvider([asks_for(("wait", '{"seconds": 30}')), says("never")])

    started = time.perf_counter()
    _, error = await events_of(provider, replace(limited(max_seconds=0.1), abilities=("wait",)))

    assert error is not None
    assert error.code is ErrorCode.LIMIT_SECONDS
    assert time.perf_counter() - started < 1


async def test_too_many_tools_in_one_step_are_refused_not_run():
    provider = ScriptedProvider([asks_for(*[SUM] * (MAX_CALLS_PER_STEP + 2)), says("done")])

    events, error = await events_of(provider)

    assert error is None
    results = [event for event in events if isinstance(event, ToolFinished)]
    assert [event.is_error for event in results] == [False] * MAX_CALLS_PER_STEP + [True] * 2
    assert "at most" in results[-1].result


async def test_steps_count_from_one():
    events, _ = await events_of(ScriptedProvider([asks_for(SUM), says("hi")]))

    assert [event.step for event in events if isinstance(event, StepStarted)] == [1, 2]


async def test_a_call_that_tells_no_usage_costs_nothing():
    events, error = await events_of(ScriptedProvider([Completion("hi")]), limited(max_tokens=1))

    assert error is None
    assert events[-1].cost == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_answer_that_is_billed_is_priced(stream):
    refused = BilledError(ErrorCode.CONTENT_POLICY, "refused", Usage(100, 7))

    events, error = await events_of(ScriptedProvider([refused]), stream=stream)

    assert error is refused
    assert names_of(events) == ["StepStarted", "StepFinished"]
    assert (events[-1].completion.usage, events[-1].cost) == (Usage(100, 7), Decimal("0.000114"))


class Listener(Unmetered):
    """Keeps how calls ended."""

    def __init__(self):
        self.failures = []

    def failed(self, error, seconds):
        self.failures.append(error)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_hangs_is_a_timeout_to_the_meter_and_the_limit_of_time_to_the_run(stream):
    meter = Listener()

    _, error = await events_of(
        ScriptedProvider([says("late")], delay=30), limited(max_seconds=0.1), stream=stream, meter=meter
    )

    assert error is not None
    assert error.code is ErrorCode.LIMIT_SECONDS
    assert [failure.code for failure in meter.failures] == [ErrorCode.TIMEOUT]
