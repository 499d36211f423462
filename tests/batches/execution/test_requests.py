"""Requests of programs, run by a worker: a plain model answers as it is, an agent as its version says."""

from typing import Any

import pytest

from agents.model_names import resolve_model
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.models import Batch, Run, RunEventKind
from batches.models.batch import InputKind
from batches.requests import start_request
from batches.results import BatchResults
from batches.states import BatchState, RunState
from batches.stories.conversations import first_messages
from credentials.models import User
from credentials.services import set_model
from tests.support.factories import make_agent, make_batch, make_credential, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db(transaction=True)

SIMULATED = {"reply": "echo", "latency": 0}
USER = {"role": "user", "content": "What is 2 + 2?"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
CALL = {"name": "look_up", "arguments": {"a": 1}}


@pytest.fixture
def user() -> User:
    user = make_user()
    make_credential(user, name="main")
    return user


def finished(host: WorkerHost, user: User, model: str, kind: InputKind = InputKind.CHAT, **body: Any) -> Run:
    """Return the run of a request, ended."""
    operation = "embeddings" if kind == InputKind.EMBEDDINGS else "chat"
    run = start_request(user, resolve_model(user, model, operation), kind, {"model": model, **body})
    host.wait(host.run_single(run.pk))
    run.refresh_from_db()
    return run


def test_a_plain_model_answers_as_it_is_and_is_priced_by_its_limits(host: WorkerHost, user: User):
    set_model(user.credentials.get(), "m-1", input_price=100_000, output_price=0)

    run = finished(host, user, "main/m-1", messages=[USER], simulated=SIMULATED)

    assert (run.state, run.output, run.parsed, run.completion) == (RunState.SUCCEEDED, USER["content"], None, None)
    assert run.cost * 10 == run.input_tokens > 0
    assert [message.text for message in first_messages(run)] == [USER["content"]]


def test_the_callers_tools_are_called_by_the_caller(host: WorkerHost, user: User):
    simulated = {**SIMULATED, "tool_calls": [[CALL]]}

    run = finished(host, user, "main/m-1", messages=[USER], tools=[TOOL], simulated=simulated)

    assert run.state == RunState.SUCCEEDED
    assert run.completion["finish_reason"] == "tool_calls"
    (call,) = run.completion["tool_calls"]
    assert (call["name"], call["arguments"]) == ("look_up", '{"a":1}')
    assert not run.events.filter(kind=RunEventKind.TOOL_CALL).exists()


def test_an_answer_that_was_cut_says_so(host: WorkerHost, user: User):
    simulated = {"latency": 0, "output_tokens": 50}

    run = finished(host, user, "main/m-1", messages=[USER], max_tokens=5, simulated=simulated)

    assert run.completion == {"finish_reason": "length"}


def test_what_a_plain_model_answers_is_not_held_against_the_form_it_was_asked_for(host: WorkerHost, user: User):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}

    fits = finished(host, user, "main/m-1", messages=[USER], response_format=form, simulated={"latency": 0})
    breaks = finished(host, user, "main/m-1", messages=[USER], response_format=form, simulated=SIMULATED)

    assert type(fits.parsed["a"]) is int
    assert (breaks.state, breaks.output, breaks.parsed, breaks.attempt) == ("succeeded", USER["content"], None, 1)


def test_an_agent_keeps_its_own_tools_and_form(host: WorkerHost, user: User):
    make_agent(user, slug="triage", instructions="Be brief.", output_schema={"type": "object"})

    run = finished(host, user, "agent:triage", messages=[USER])

    assert (run.state, run.error_code) == (RunState.FAILED, "schema_mismatch")
    with pytest.raises(InvalidInput, match=r"^tools must not be given"):
        finished(host, user, "agent:triage", messages=[USER], tools=[TOOL])
    assert Run.objects.count() == 1


def test_each_text_gets_its_vector(host: WorkerHost, user: User):
    run = finished(host, user, "main/e-1", InputKind.EMBEDDINGS, input=["a", "b", [7, 8]], dimensions=4)

    assert [len(vector) for vector in run.parsed] == [4, 4, 4]
    assert run.parsed[0] != run.parsed[1]


def test_a_batch_may_mix_agents_and_models(host: WorkerHost, user: User):
    make_agent(user, slug="triage")
    versions = [resolve_model(user, name) for name in ("agent:triage", "main/m-1")]
    batch = make_batch(user, versions[0], rows=2, state=BatchState.RUNNING)
    body = '{"messages":[{"role":"user","content":"Hi"}],"simulated":{"reply":"echo","latency":0}}'
    Batch.objects.filter(pk=batch.pk).update(input_kind=InputKind.CHAT, is_mixed=True)
    rows = Run.objects.of_batch(batch.pk)
    rows.update(input_kind=InputKind.CHAT, input_json=body.replace(',"simulated":{"reply":"echo","latency":0}', ""))
    rows.filter(index=1).update(agent_version=versions[1], input_json=body)

    assert host.wait(run_lease(host, batch.pk)) == 2

    told = [(record["agent"], record["version"], record["model"]) for record in BatchResults(batch).page().records]
    assert told == [("triage", 1, f"{versions[0].credential}/echo-1"), (None, None, "main/m-1")]
    assert set(rows.values_list("output", flat=True)) == {"Hi"}
