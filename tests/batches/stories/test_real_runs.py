"""Stories of runs that really ran. The simulated provider answers by the messages alone: those of the story, given to
it again, must give the same answer, or they are not what the model saw."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agents.llm.client import LLMClient
from agents.llm.pool import ClientPool
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import CompletionRequest, Message
from batches.execution.agents_cache import AgentCache
from batches.execution.claims import claim_singles
from batches.execution.executor import Executor
from batches.execution.leases import open_lease
from batches.execution.storing import store_outcomes
from batches.models import Run
from batches.stories import RunStory, run_story
from batches.stories.moments import MomentKind
from tests.batches.execution.helpers import claim
from tests.support.factories import make_agent, make_batch, make_single_run
from workers.engine import Engine

pytestmark = pytest.mark.django_db(transaction=True)
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["billing", "bug"]}}, "required": ["kind"]}
TOOL = [{"name": "calculator", "arguments": {"expression": "6*7"}}]
ROWS = [{"text": f"A bug number {number}"} for number in range(12)]


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine()
    yield running
    running.stop()


def stories(engine: Engine, *, is_batch: bool, **settings: Any) -> list[RunStory]:
    """Run ROWS with a simulated model of these settings, in this process, and return what became of them."""
    agent = make_agent(
        instructions="Sort it.",
        abilities=["calculator"],
        output_schema=SCHEMA,
        max_repairs=10,
        max_steps=40,
        parameters={"simulated": {"latency": 0, **settings}},
    )
    version = agent.current_version
    if is_batch:
        claimed = claim(make_batch(version=version, rows=ROWS))
    else:
        claimed = claim_singles([make_single_run(version, row).pk for row in ROWS], open_lease("p", None))
    executor = Executor(AgentCache(engine), ClientPool(), "here:1:1")

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(executor.execute(run) for run in claimed))

    store_outcomes(engine.submit(all_of_them()).result())
    return [run_story(run) for run in Run.objects.select_related("agent_version__agent", "agent_version__credential")]


def answered_again(story: RunStory) -> str:
    """Return what the model says to the messages of the story, its last answer left out."""
    version = story.run.agent_version
    messages = tuple(
        Message(said.role, said.text or "", said.tool_calls, said.tool_call_id) for said in story.conversation()[:-1]
    )
    request = CompletionRequest(
        version.model, messages, parameters=version.parameters, output_schema=version.output_schema
    )
    client = LLMClient(provider_type("simulated").connect(ProviderConfig()))
    return asyncio.run(client.complete(request)).text


@pytest.mark.parametrize("is_batch", [True, False], ids=["batch", "singles"])
@pytest.mark.parametrize("script", [[], TOOL], ids=["plain", "tools"])
def test_the_messages_are_those_that_the_model_saw(engine: Engine, is_batch: bool, script: list[Any]) -> None:
    told = stories(engine, is_batch=is_batch, mismatch=0.4, tool_calls=script)

    rejections = [[m.kind for m in story.timeline].count(MomentKind.REJECTED) for story in told]
    assert max(rejections) > 1
    assert 0 in rejections
    for story, count in zip(told, rejections, strict=True):
        assert story.run.state == "succeeded", story.run.error_message
        assert answered_again(story) == story.run.output == story.conversation()[-1].text
        calls = sum(moment.calls for moment in story.timeline if moment.kind is MomentKind.CALL)
        assert calls == (count + 1) * (1 + len(script))
        assert ("42" in [said.text for said in story.conversation()]) is bool(script)


@pytest.mark.parametrize("is_batch", [True, False])
def test_the_last_answer_that_was_rejected_is_told_and_nothing_is_said_to_it(engine: Engine, is_batch: bool) -> None:
    agent = make_agent(
        output_schema=SCHEMA, max_repairs=1, parameters={"simulated": {"latency": 0, "reply": "invalid"}}
    )
    version = agent.current_version
    if is_batch:
        (claimed,) = claim(make_batch(version=version, rows=ROWS[:1]))
    else:
        (claimed,) = claim_singles([make_single_run(version, ROWS[0]).pk], open_lease("p", None))
    executor = Executor(AgentCache(engine), ClientPool(), "here:1:1")
    store_outcomes([engine.submit(executor.execute(claimed)).result()])

    run = Run.objects.get(pk=claimed.id)
    assert run.error_code == "schema_mismatch"
    said = run_story(run).conversation()
    assert [(one.role, one.step) for one in said[1:]] == [("assistant", 1), ("user", 1), ("assistant", 2)]
    assert "rejected" in str(said[2].text)
    assert said[3].text
