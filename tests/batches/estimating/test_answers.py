"""Where the length of answers is known from: the version's runs, its agent's, the schema, a limit."""

from typing import Any

import pytest

from agents.models import AgentVersion, Operation
from batches.estimating.answers import Answers, AnswerSource, expected_answers
from batches.estimating.history import LEAST_ROWS
from batches.estimating.prices import models_of
from batches.models import Run
from batches.states import RunState
from credentials.models import User
from credentials.services import set_model
from tests.support.factories import make_agent, make_batch, make_single_run, make_user, make_version

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "properties": {"topic": {"enum": ["delivery", "refund"]}}}


def answers_of(version: AgentVersion, user: User | None = None) -> Answers:
    return expected_answers(user or version.agent.owner, version, models_of(version))


def finished_batch(version: AgentVersion, tokens: list[int], **fields: Any) -> None:
    """Make a batch whose rows have succeeded with answers of `tokens`."""
    batch = make_batch(version=version, rows=len(tokens), succeeded=len(tokens))
    for index, number in enumerate(tokens):
        values = {"state": RunState.SUCCEEDED, "output_tokens": number, "latency_ms": 500, **fields}
        Run.objects.filter(pk=batch.run_ids[0] + index).update(**values)


def test_the_versions_own_runs_come_first() -> None:
    agent = make_agent(output_schema=SCHEMA, parameters={"max_tokens": 500})
    old = agent.current_version
    finished_batch(old, [100] * 20)
    version = make_version(agent, output_schema=SCHEMA)
    finished_batch(version, [10, 30] * 10)
    found = answers_of(version)
    assert (found.source, found.tokens, found.spread) == (AnswerSource.HISTORY, 20, 10)
    assert (found.seconds, found.is_limit) == (0.5, False)
    assert "20 earlier runs of this version" in found.said
    assert answers_of(old).tokens == 100


def test_earlier_versions_tell_where_this_one_was_not_run() -> None:
    agent = make_agent()
    finished_batch(agent.current_version, [40] * 12)
    found = answers_of(make_version(agent))
    assert (found.source, found.tokens) == (AnswerSource.EARLIER_VERSIONS, 40)


def test_single_runs_count_and_a_few_runs_tell_nothing() -> None:
    version = make_agent(parameters={"max_tokens": 77}).current_version
    for _ in range(LEAST_ROWS - 1):
        make_single_run(version, state=RunState.SUCCEEDED, output_tokens=8)
    assert answers_of(version).source is AnswerSource.PARAMETER
    make_single_run(version, state=RunState.SUCCEEDED, output_tokens=8)
    assert (answers_of(version).source, answers_of(version).tokens) == (AnswerSource.HISTORY, 8)


@pytest.mark.parametrize("fields", [{"state": RunState.FAILED}, {"is_cached": True}])
def test_failed_runs_and_stored_answers_tell_nothing(fields: dict[str, Any]) -> None:
    version = make_agent(output_schema=SCHEMA).current_version
    finished_batch(version, [9] * 30, **fields)
    assert answers_of(version).source is AnswerSource.SCHEMA


def test_runs_that_a_stranger_may_not_see_tell_them_nothing() -> None:
    version = make_agent(output_schema=SCHEMA).current_version
    finished_batch(version, [9] * 30)
    assert answers_of(version, make_user()).source is AnswerSource.SCHEMA


def test_a_schema_is_held_to_the_limit_of_the_parameters() -> None:
    free = answers_of(make_agent(output_schema=SCHEMA).current_version)
    assert (free.source, free.tokens, free.is_limit) == (AnswerSource.SCHEMA, 5, False)
    short = make_agent(output_schema=SCHEMA, parameters={"max_completion_tokens": 3}).current_version
    assert answers_of(short).tokens == 3


def test_limits_are_named_as_such() -> None:
    version = make_agent(parameters={"max_tokens": 500}).current_version
    found = answers_of(version)
    assert (found.source, found.tokens, found.is_limit) == (AnswerSource.PARAMETER, 500, True)
    plain = make_agent(parameters={}).current_version
    assert (answers_of(plain).source, answers_of(plain).tokens) == (AnswerSource.UNKNOWN, None)
    set_model(plain.credential, "*", max_output_tokens=4_000)
    found = answers_of(plain)
    assert (found.source, found.tokens, found.is_limit) == (AnswerSource.MODEL, 4_000, True)


def test_embeddings_have_no_answer() -> None:
    version = make_agent(operation=Operation.EMBEDDINGS, output_schema=SCHEMA).current_version
    assert (answers_of(version).source, answers_of(version).tokens) == (AnswerSource.EMBEDDINGS, 0)
