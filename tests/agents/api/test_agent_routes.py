"""Agents and their versions over the native API, on a running server."""

from typing import Any

import httpx2
import pytest

from agents.models import Agent
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_credential, make_version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def http(api: ApiUser) -> httpx2.Client:
    """A client with the token of a user who has a credential `sim` and two agents."""
    credential = make_credential(api.user, name="sim")
    make_agent(api.user, slug="triage", name="Tickets", credential=credential, prompt="Sort {{ text }}")
    make_agent(api.user, slug="mood", credential=credential)
    return api.http()


def test_an_agent_is_made_changed_and_shown(http: httpx2.Client) -> None:
    made = http.post(
        "/api/v1/agents",
        json={"slug": "new", "model": "sim/sim-small", "prompt": "Hi {{ x }}", "limits": {"max_cost": 0.01}},
    )
    changed = http.patch("/api/v1/agents/new", json={"name": "New", "state": "paused"})
    version = http.post("/api/v1/agents/new/versions", json={"instructions": "Be brief.", "note": "Shorter."})
    same = http.post("/api/v1/agents/new/versions", json={"instructions": "Be brief."})
    shown = http.get("/api/v1/agents/new").json()

    assert (made.status_code, made.json()["version"], made.json()["model"]) == (201, 1, "sim/sim-small")
    assert (changed.json()["name"], changed.json()["state"]) == ("New", "paused")
    assert (version.status_code, version.json()["version"], version.json()["note"]) == (201, 2, "Shorter.")
    assert version.json()["limits"]["max_cost"] == 0.01
    assert same.json()["version"] == 2
    assert (shown["version"], shown["state"]) == (2, "paused")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"model": "sim/m", "prompt": "x"}, "slug", "slug: is needed"),
        ({"slug": "a", "model": "sim/m", "prompt": "x", "base_url": "http://x"}, "base_url", "there is no such field"),
        ({"slug": "a", "model": "sim/m", "prompt": "x", "limits": {"cost": 1}}, "limits.cost", "no such field"),
        ({"slug": "a", "model": "sim/m", "prompt": "x", "limits": {"max_steps": 0}}, "limits.max_steps", "greater"),
        ({"slug": "a b", "model": "sim/m", "prompt": "x"}, "slug", "Lower-case letters"),
        ({"slug": "triage", "model": "sim/m", "prompt": "x"}, "slug", "already exists"),
        ({"slug": "a", "model": "sim/m", "prompt": "x\0"}, None, "NUL"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(
    http: httpx2.Client, body: dict[str, Any], field: str | None, said: str
) -> None:
    answer = http.post("/api/v1/agents", json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid")
    assert said in error["message"]
    assert field is None or error["field"] == field
    assert error["request_id"] == answer.headers["x-request-id"]
    assert Agent.objects.count() == 2


@pytest.mark.parametrize("raw", [b'{"slug": "a", "slug": "b"}', b'{"slug": ', b'{"slug": "\\ud800"}', b"[1]", b"\xff"])
def test_a_body_that_is_no_such_json_is_refused(http: httpx2.Client, raw: bytes) -> None:
    answer = http.post("/api/v1/agents", content=raw, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_lists_are_filtered_sorted_and_paged(http: httpx2.Client) -> None:
    def slugs(**parameters: Any) -> list[str]:
        return [agent["slug"] for agent in http.get("/api/v1/agents", params=parameters).json()["data"]]

    http.patch("/api/v1/agents/mood", json={"state": "archived"})
    first = http.get("/api/v1/agents", params={"limit": 1, "sort": "-slug"}).json()
    second = http.get("/api/v1/agents", params={"limit": 1, "sort": "-slug", "cursor": first["next"]}).json()

    assert slugs() == ["mood", "triage"]
    assert slugs(sort="-updated_at") == ["mood", "triage"]
    assert slugs(state="active") == ["triage"]
    assert slugs(q="TICK") == ["triage"]
    assert [first["data"][0]["slug"], second["data"][0]["slug"]] == ["triage", "mood"]
    assert second["next"] is None
    assert http.get("/api/v1/agents", params={"cursor": first["next"]}).status_code == 422
    assert http.get("/api/v1/agents", params={"cursor": first["next"] + "x", "sort": "-slug"}).status_code == 422
    assert http.get("/api/v1/agents", params={"sort": "owner"}).json()["error"]["field"] == "sort"
    assert "allowed: cursor, limit, q, sort, state" in http.get("/api/v1/agents", params={"name": "x"}).text


def test_versions_are_listed_and_compared(http: httpx2.Client) -> None:
    make_version(Agent.objects.get(slug="triage"), prompt="Sort {{ text }}", instructions="Briefly.")

    listed = http.get("/api/v1/agents/triage/versions").json()["data"]
    found = http.get("/api/v1/agents/triage/diff", params={"before": 1}).json()

    assert [version["version"] for version in listed] == [2, 1]
    assert (found["before"], found["after"]) == ("triage@1", "triage@2")
    assert [(it["field"], it["after"]) for it in found["changes"]] == [("instructions", "Briefly.")]
    assert http.get("/api/v1/agents/triage/versions/3").status_code == 404


def test_agents_go_out_and_come_in_as_documents(http: httpx2.Client) -> None:
    sent = http.get("/api/v1/agent-documents", params={"agent": "triage"}).json()["documents"]
    text = http.get("/api/v1/agent-documents", params={"all": True, "format": "yaml"})
    sent[0] |= {"slug": "copy", "instructions": "Briefly."}

    tried = http.post("/api/v1/agent-documents", json={"documents": sent, "dry_run": True}).json()
    done = http.post("/api/v1/agent-documents", json={"documents": sent}).json()
    again = http.post("/api/v1/agent-documents", json={"yaml": text.text}).json()

    assert text.headers["content-type"] == "application/yaml"
    assert tried["documents"] == done["documents"] == [{"action": "created", "agent": "copy@1"}]
    assert {it["action"] for it in again["documents"]} == {"unchanged"}
    assert http.post("/api/v1/agent-documents", json={}).json()["error"]["message"].endswith("documents or yaml")


def test_an_agent_is_tried_out_in_the_web_process(http: httpx2.Client) -> None:
    answer = http.post("/api/v1/agents/mood/try", json={"input": {"text": "hello"}})

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["output"]) == ("succeeded", "hello")
    assert http.post("/api/v1/agents/mood/try", json={"input": {}}).status_code == 422


def test_a_stranger_sees_nothing_and_a_token_does_what_its_scopes_say(http: httpx2.Client, api: ApiUser) -> None:
    stranger, reader = api.another().http(), api.another("agents:read", same_user=True).http()

    assert stranger.get("/api/v1/agents").json()["data"] == []
    for path in ("", "/versions", "/versions/1", "/diff?before=1"):
        assert stranger.get(f"/api/v1/agents/triage{path}").status_code == 404
    assert stranger.patch("/api/v1/agents/triage", json={"name": "mine"}).status_code == 404
    assert reader.get("/api/v1/agents/triage").status_code == 200
    assert reader.patch("/api/v1/agents/triage", json={"name": "x"}).json()["error"]["code"] == "forbidden"
    assert reader.post("/api/v1/agents/triage/try", json={"input": {"text": "x"}}).status_code == 403
    assert httpx2.post(f"{api.server.origin}/api/v1/agents", json={"bad": 1}).status_code == 401


def test_a_creation_that_is_sent_again_makes_one_agent(http: httpx2.Client) -> None:
    body = {"slug": "once", "model": "sim/sim-small", "prompt": "Hi {{ x }}"}

    answers = [http.post("/api/v1/agents", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
