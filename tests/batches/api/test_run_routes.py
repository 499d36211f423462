"""Single runs, their stories and stored answers over the native API, on a running server."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from agents.models import Agent
from batches.models import Attempt, AttemptOutcome, Run, RunEvent, RunEventKind
from batches.states import RunState
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_batch, make_single_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(api: ApiUser) -> Agent:
    """An agent called echo."""
    return make_agent(api.user, slug="echo")


@pytest.fixture
def http(api: ApiUser, agent: Agent) -> httpx2.Client:
    """A client with the token of the agent's owner."""
    return api.http()


def ids(answer: httpx2.Response) -> list[int]:
    return [run["id"] for run in answer.json()["data"]]


def test_a_run_is_started_shown_and_cancelled(http: httpx2.Client) -> None:
    started = http.post("/api/v1/runs", json={"agent": "echo@1", "input": {"text": "hi"}})
    run = started.json()
    cancelled = http.post(f"/api/v1/runs/{run['id']}/cancel")
    again = http.post(f"/api/v1/runs/{run['id']}/cancel")

    assert (started.status_code, run["status"], run["agent"], run["version"]) == (201, "queued", "echo", 1)
    assert (run["input"], run["input_kind"], run["output"]) == ({"text": "hi"}, "columns", None)
    assert (cancelled.json()["status"], cancelled.json()["error"]["code"]) == ("cancelled", "cancelled")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert http.get(f"/api/v1/runs/{run['id']}").json()["status"] == "cancelled"


def test_a_model_is_asked_without_an_agent(http: httpx2.Client, agent: Agent) -> None:
    assert agent.current_version is not None
    name = f"{agent.current_version.credential.name}/sim-small"
    body = {"model": name, "input_kind": "chat", "input": {"messages": [{"role": "user", "content": "hi"}]}}

    run = http.post("/api/v1/runs", json=body).json()

    assert (run["agent"], run["version"], run["model"], run["input_kind"]) == (None, None, name, "chat")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agent": "echo", "input": {}}, 422),
        ({"input": {"text": "x"}}, 422),
        ({"agent": "echo", "model": "a/b", "input": {"text": "x"}}, 422),
        ({"model": "a/b", "input": {"text": "x"}}, 422),
        ({"agent": "echo", "input": {"text": "x"}, "base_url": "http://evil"}, 422),
        ({"agent": "nobody", "input": {"text": "x"}}, 404),
        ({"model": "no/model", "input_kind": "chat", "input": {"messages": []}}, 404),
        ({"agent": "echo", "input_kind": "chat", "input": {"messages": "x"}}, 422),
    ],
)
def test_what_cannot_run_is_refused(http: httpx2.Client, body: dict[str, Any], status: int) -> None:
    assert http.post("/api/v1/runs", json=body).status_code == status
    assert not Run.objects.exists()


def test_who_waits_is_answered_when_the_run_has_ended(http: httpx2.Client, agent: Agent) -> None:
    run = make_single_run(agent.current_version)
    path = f"/api/v1/runs/{run.pk}"

    early = http.get(path, params={"wait": 0.2})
    threading.Timer(0.5, lambda: http.post(f"{path}/cancel")).start()
    began = time.monotonic()
    answer = http.get(path, params={"wait": 30})

    assert early.json()["status"] == "queued"
    assert answer.json()["status"] == "cancelled"
    assert time.monotonic() - began < 15
    assert http.get(path, params={"wait": 61}).json()["error"]["field"] == "wait"


def test_single_runs_and_rows_are_listed_as_asked(http: httpx2.Client, agent: Agent) -> None:
    other = make_agent(agent.owner, slug="other").current_version
    first = make_single_run(agent.current_version)
    failed = make_single_run(other, state=RunState.FAILED, error_code="timeout", error_message="Slow.")
    last = make_single_run(agent.current_version)
    batch = make_batch(version=agent.current_version, rows=3)
    batch.runs.filter(index=1).update(state=RunState.FAILED, error_code="timeout")

    def listed(**parameters: Any) -> list[int]:
        return ids(http.get("/api/v1/runs", params=parameters))

    page = http.get("/api/v1/runs", params={"limit": 2}).json()
    assert [run["id"] for run in page["data"]] == [last.pk, failed.pk]
    assert listed(limit=2, cursor=page["next"]) == [first.pk]
    assert listed(sort="id") == [first.pk, failed.pk, last.pk]
    assert listed(status="failed") == listed(code="timeout") == listed(agent="other@1") == [failed.pk]
    assert listed(agent="echo") == [last.pk, first.pk]
    assert listed(batch=batch.pk, sort="id") == [run.pk for run in batch.runs.order_by("id")]
    assert listed(batch=batch.pk, code="timeout") == [batch.runs.get(index=1).pk]
    assert http.get("/api/v1/runs", params={"batch": batch.pk, "created_after": "2026-01-01"}).status_code == 422
    assert "input" not in page["data"][0]


def test_single_runs_are_found_by_the_time_of_their_creation(http: httpx2.Client, agent: Agent) -> None:
    run = http.post("/api/v1/runs", json={"agent": "echo", "input": {"text": "x"}}).json()["id"]
    now = datetime.now(UTC)

    def listed(**parameters: datetime) -> list[int]:
        return ids(http.get("/api/v1/runs", params={name: at.isoformat() for name, at in parameters.items()}))

    hour = timedelta(hours=1)
    assert listed(created_after=now - hour, created_before=now + hour) == [run]
    assert listed(created_after=now + hour) == listed(created_before=now - hour) == []
    assert listed(created_after=datetime.min.replace(tzinfo=UTC)) == [run]


def test_a_run_tells_its_story(http: httpx2.Client, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=1)
    run = batch.runs.get()
    batch.runs.update(state=RunState.SUCCEEDED, attempt=1, output="row 0", finished_at=timezone.now())
    Attempt.objects.create(
        run=run, number=1, outcome=AttemptOutcome.SUCCEEDED, model="a/b", steps=1, finished_at=timezone.now()
    )
    RunEvent.objects.create(
        run=run, attempt=1, kind=RunEventKind.STEP, data={"step": 1, "model": "a/b"}, created_at=timezone.now()
    )

    told = http.get(f"/api/v1/runs/{batch.pk}:0/timeline").json()

    assert told["run"] == run.pk
    assert [(it["number"], it["outcome"], it["model"]) for it in told["attempts"]] == [(1, "succeeded", "a/b")]
    assert [it["kind"] for it in told["events"]] == ["step"]
    assert {"attempt", "call"} <= {it["kind"] for it in told["timeline"]}
    assert [(it["role"], it["text"]) for it in told["messages"]] == [("user", "row 0"), ("assistant", "row 0")]
    assert http.get(f"/api/v1/runs/{run.pk}/timeline", params={"attempt": 2}).status_code == 404
    assert http.get("/api/v1/runs/x/timeline").status_code == 422


def test_a_stranger_sees_no_run(http: httpx2.Client, api: ApiUser, agent: Agent) -> None:
    run = make_single_run(agent.current_version)
    stranger, reader = api.another().http(), api.another("runs:read", same_user=True).http()

    assert stranger.get(f"/api/v1/runs/{run.pk}").status_code == 404
    assert stranger.get(f"/api/v1/runs/{run.pk}/timeline").status_code == 404
    assert stranger.post(f"/api/v1/runs/{run.pk}/cancel").status_code == 404
    assert stranger.post("/api/v1/runs", json={"agent": "echo", "input": {"text": "x"}}).status_code == 404
    assert ids(stranger.get("/api/v1/runs")) == []
    assert ids(reader.get("/api/v1/runs")) == [run.pk]
    assert reader.post("/api/v1/runs", json={"agent": "echo", "input": {"text": "x"}}).status_code == 403


def test_a_run_that_is_started_again_with_its_key_is_one(http: httpx2.Client) -> None:
    body = {"agent": "echo", "input": {"text": "x"}}

    answers = [http.post("/api/v1/runs", json=body, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    other = http.post("/api/v1/runs", json={**body, "use_cache": False}, headers={"Idempotency-Key": "k"})

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Run.objects.count() == 1
    assert other.json()["error"]["code"] == "idempotency_mismatch"


def test_stored_answers_are_listed_and_forgotten(http: httpx2.Client, agent: Agent) -> None:
    assert agent.current_version is not None
    name = agent.current_version.credential.name

    assert http.get("/api/v1/answers").json()["data"] == []
    assert http.post(f"/api/v1/answers/{name}/clear").json() == {"credential": name, "forgotten": 0}
    assert http.post("/api/v1/answers/none/clear").status_code == 404
