"""Batches over the native API, on a running server."""

from typing import Any

import httpx2
import pytest

from agents.models import Agent
from batches.models import Batch, Run
from batches.states import BatchState, RunState
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_batch

pytestmark = pytest.mark.django_db(transaction=True)
CSV = b"text,custom_id\nfirst,a\nsecond,b\n"


@pytest.fixture
def agent(api: ApiUser) -> Agent:
    """An agent called echo."""
    return make_agent(api.user, slug="echo")


@pytest.fixture
def http(api: ApiUser, agent: Agent) -> httpx2.Client:
    """A client with the token of the agent's owner."""
    return api.http()


def ended(batch: Batch, outputs: list[str | None]) -> None:
    """End the rows of `batch`: with an output, or where there is none, failed by timeout."""
    for index, output in enumerate(outputs):
        failed = {"state": RunState.FAILED, "error_code": "timeout", "error_message": "Too slow."}
        fields = failed if output is None else {"state": RunState.SUCCEEDED, "output": output}
        batch.runs.filter(index=index).update(**fields, latency_ms=100, attempt=1, cost="0.001")
    failures = outputs.count(None)
    counts = {"succeeded": len(outputs) - failures, "failed": failures}
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.COMPLETED, **counts)


def test_a_file_becomes_a_batch(http: httpx2.Client) -> None:
    form = {"agent": "echo", "priority": "high", "weight": "3", "metadata": '{"team": "a"}', "start": "true"}

    answer = http.post("/api/v1/batches", data=form, files={"file": ("rows.csv", CSV)})

    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["input_name"], made["total"], made["state"]) == ("rows", "rows.csv", 2, "running")
    assert (made["priority"], made["weight"], made["metadata"]) == ("high", 3, {"team": "a"})
    assert [(run.custom_id, run.input["text"]) for run in Run.objects.order_by("id")] == [
        ("a", "first"),
        ("b", "second"),
    ]


def test_a_file_that_is_sent_again_with_its_key_is_one_batch(http: httpx2.Client) -> None:
    def send(content: bytes) -> httpx2.Response:
        sent = {"data": {"agent": "echo"}, "files": {"file": ("rows.csv", content)}}
        return http.post("/api/v1/batches", headers={"Idempotency-Key": "k"}, **sent)

    first, second, other = send(CSV), send(CSV), send(CSV + b"third,c\n")

    assert first.json() == second.json()
    assert other.json()["error"]["code"] == "idempotency_mismatch"
    assert Batch.objects.count() == 1


def test_rows_within_the_body_become_a_batch(http: httpx2.Client) -> None:
    rows = [{"text": "x", "custom_id": "1"}, {"text": "y", "custom_id": "1"}]

    refused = http.post("/api/v1/batches", json={"agent": "echo", "rows": rows})
    made = http.post("/api/v1/batches", json={"agent": "echo", "rows": rows, "skip_bad_rows": True, "name": "mine"})

    assert refused.status_code == 422
    assert "line 2" in refused.json()["error"]["message"]
    assert (made.json()["total"], made.json()["skipped_rows"], made.json()["name"]) == (1, 1, "mine")
    assert (made.json()["state"], Batch.objects.count()) == ("ready", 1)


def test_a_stored_file_becomes_a_batch(http: httpx2.Client) -> None:
    stored = http.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("rows.csv", CSV)}).json()["id"]

    made = http.post("/api/v1/batches", json={"agent": "echo", "file_id": stored})

    assert (made.json()["input_name"], made.json()["total"]) == ("rows.csv", 2)
    assert http.post("/api/v1/batches", json={"agent": "echo", "file_id": "file-999"}).status_code == 404


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"json": {"agent": "echo"}}, None),
        ({"json": {"agent": "echo", "rows": []}}, "rows"),
        ({"json": {"agent": "echo", "rows": [{"text": "x"}], "colour": 1}}, "colour"),
        ({"json": {"agent": "echo", "rows": [{"text": "x"}], "priority": "top"}}, "priority"),
        ({"data": {"agent": "echo"}, "files": {"other": ("rows.csv", CSV)}}, "file"),
        ({"data": {"agent": "echo", "metadata": "{"}, "files": {"file": ("rows.csv", CSV)}}, "metadata"),
        ({"data": {"agent": "echo"}, "files": {"file": ("rows.csv", b"wrong\nx\n")}}, None),
        ({"data": {"agent": "echo"}, "files": {"file": ("../../etc/passwd", b"\xff\xfe")}}, None),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, None),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, None),
    ],
)
def test_what_cannot_be_a_batch_is_refused(http: httpx2.Client, request_: dict[str, Any], field: str | None) -> None:
    answer = http.post("/api/v1/batches", **request_)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid"), answer.text
    assert field is None or error["field"] == field
    assert Batch.objects.count() == 0


def test_the_verbs_move_a_batch_through_its_states(http: httpx2.Client, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=3)
    path = f"/api/v1/batches/{batch.pk}"

    def state(verb: str, **body: Any) -> str:
        answer = http.post(f"{path}/{verb}", **({"json": body} if body else {}))
        return str(answer.json().get("state") or answer.json()["error"]["code"])

    assert [state("start"), state("start")] == ["running", "conflict"]
    assert [state("pause", reason="Night."), http.get(path).json()["state_reason"]] == ["paused", "Night."]
    assert [state("resume"), state("resume")] == ["running", "conflict"]
    changed = http.patch(path, json={"weight": 7}).json()
    assert (changed["weight"], changed["priority"]) == (7, "normal")
    assert http.patch(path, json={"weight": 0}).json()["error"]["field"] == "weight"
    assert [state("cancel"), state("pause")] == ["cancelling", "conflict"]
    assert http.get(path).json()["cancelled"] == 3


def test_failed_rows_run_again_as_chosen(http: httpx2.Client, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=3)
    ended(batch, [None, "fine", None])
    path = f"/api/v1/batches/{batch.pk}/retry"

    none = http.post(path, json={"codes": ["overloaded"]}).json()
    one = http.post(path, json={"indexes": [2]}).json()
    rest = http.post(path).json()

    assert [none["retried"], one["retried"], rest["retried"]] == [0, 1, 1]
    assert (rest["state"], rest["failed"]) == ("running", 0)


def test_batches_are_listed_as_asked(http: httpx2.Client, agent: Agent) -> None:
    for name, cost in (("one", "0.5"), ("two", "0.7"), ("three", "0.5")):
        make_batch(version=agent.current_version, rows=1, name=name, cost=cost)
    make_batch(version=make_agent(agent.owner, slug="other").current_version, name="four", state=BatchState.PAUSED)

    def names(**parameters: Any) -> list[str]:
        found, cursor = [], None
        while True:
            asked = {"limit": 2, **parameters, **({"cursor": cursor} if cursor else {})}
            page = http.get("/api/v1/batches", params=asked).json()
            found += [batch["name"] for batch in page["data"]]
            if (cursor := page["next"]) is None:
                return found

    assert names() == ["four", "three", "two", "one"]
    assert names(sort="-cost") == ["two", "three", "one", "four"]
    assert names(sort="cost") == ["four", "one", "three", "two"]
    assert names(state="paused") == names(agent="other@1") == ["four"]
    assert names(q="T") == ["three", "two"]


def test_results_are_paged_filtered_and_grouped(http: httpx2.Client, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=5)
    ended(batch, ["a", None, "b", None, "c"])
    path = f"/api/v1/batches/{batch.pk}"

    first = http.get(f"{path}/results", params={"limit": 2}).json()
    second = http.get(f"{path}/results", params={"limit": 2, "cursor": first["next"]}).json()
    failed = http.get(f"{path}/results", params={"where": "status=failed", "count": True}).json()
    coded = http.get(f"{path}/results", params={"code": "timeout", "status": "failed"}).json()
    groups = http.get(f"{path}/groups", params={"by": "status", "measure": ["count", "mean(cost)"]}).json()
    summary = http.get(f"{path}/summary").json()

    assert [it["index"] for it in first["data"] + second["data"]] == [0, 1, 2, 3]
    assert [it["index"] for it in failed["data"]] == [it["index"] for it in coded["data"]] == [1, 3]
    assert (failed["total"], failed["next"]) == (2, None)
    assert failed["data"][0]["error"] == {"code": "timeout", "category": "transient", "message": "Too slow."}
    assert {group["status"]: group["count"] for group in groups["data"]} == {"succeeded": 3, "failed": 2}
    assert [(it["code"], it["count"], it["index"]) for it in summary["errors"]] == [("timeout", 2, 1)]
    assert (summary["latency_ms"]["p50"], summary["state"]) == (100, "completed")
    assert http.get(f"{path}/results/2").json()["output"] == "b"
    assert http.get(f"{path}/results/5").status_code == 404
    assert "allowed" in http.get(f"{path}/results", params={"where": "colour=red"}).json()["error"]["message"]


@pytest.mark.parametrize(("format", "start"), [("csv", "index,"), ("jsonl", '{"index":1'), ("parquet", "PAR1")])
def test_results_are_exported(http: httpx2.Client, agent: Agent, format: str, start: str) -> None:
    batch = make_batch(version=agent.current_version, rows=3)
    ended(batch, [None, "fine", None])

    answer = http.get(f"/api/v1/batches/{batch.pk}/export", params={"format": format, "status": "succeeded"})

    assert answer.status_code == 200
    assert answer.content.startswith(start.encode())
    assert f"batch-{batch.pk}.{format}" in answer.headers["content-disposition"]


def test_two_batches_are_compared_row_by_row(http: httpx2.Client, agent: Agent) -> None:
    rows = [{"text": "x", "custom_id": name} for name in "abc"]
    one = make_batch(version=agent.current_version, rows=rows)
    other = make_batch(version=agent.current_version, rows=[*reversed(rows), {"text": "y", "custom_id": "d"}])
    ended(one, ["same", "old", None])
    ended(other, ["late", "new", "same", "x"])
    path = f"/api/v1/batches/{one.pk}/comparison"

    by_id = http.get(path, params={"other": other.pk, "on": "custom_id"}).json()
    by_index = http.get(path, params={"other": other.pk}).json()
    different = http.get(f"{path}/rows", params={"other": other.pk, "on": "custom_id", "only": "different"}).json()
    first = http.get(f"{path}/rows", params={"other": other.pk, "on": "custom_id", "limit": 1}).json()
    second = http.get(f"{path}/rows", params={"other": other.pk, "on": "custom_id", "cursor": first["next"]}).json()

    assert {name: by_id[name] for name in ("pairs", "equal", "different", "only_one", "only_other")} == {
        **{"pairs": 3, "equal": 1, "different": 2},
        **{"only_one": 0, "only_other": 1},
    }
    assert (by_index["pairs"], by_index["equal"]) == (3, 0)
    assert {(it["one"], it["other"]): it["count"] for it in by_id["states"]} == {
        ("succeeded", "succeeded"): 2,
        ("failed", "succeeded"): 1,
    }
    assert (by_id["one"]["succeeded"], by_id["other"]["succeeded"]) == (2, 3)
    assert by_id["other"]["cost"] == pytest.approx(0.003)
    assert [(pair["one"]["output"], pair["other"]["output"]) for pair in different["data"]] == [
        ("old", "new"),
        (None, "late"),
    ]
    assert [first["data"][0]["custom_id"], *(pair["custom_id"] for pair in second["data"])] == ["a", "b", "c"]
    assert first["data"][0]["is_equal"] is True
    assert http.get(path, params={"other": one.pk}).status_code == 422


def test_rows_and_batches_are_estimated(http: httpx2.Client, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=6)
    ended(batch, ["a"] * 6)

    by_file = http.post("/api/v1/estimates", data={"agent": "echo"}, files={"file": ("rows.csv", CSV)}).json()
    by_rows = http.post("/api/v1/estimates", json={"agent": "echo", "rows": [{"text": "first"}, {"text": "x"}]}).json()
    of_batch = http.get(f"/api/v1/batches/{batch.pk}/estimate").json()

    assert (by_file["rows"], by_rows["rows"]) == (2, 2)
    assert by_file["input_tokens"] > 0
    assert (of_batch["rows"], of_batch["ended"], of_batch["used"]) == (6, 6, 6)
    assert Batch.objects.count() == 1


def test_a_stranger_sees_no_batch_and_a_reader_changes_none(http: httpx2.Client, api: ApiUser, agent: Agent) -> None:
    batch = make_batch(version=agent.current_version, rows=1)
    path = f"/api/v1/batches/{batch.pk}"
    stranger, reader = api.another().http(), api.another("batches:read", same_user=True).http()
    own = make_batch(version=make_agent(api.user).current_version, rows=1)

    for part in ("", "/results", "/results/0", "/summary", "/groups?by=status", "/export", "/estimate"):
        assert stranger.get(path + part).status_code == 404, part
    for verb in ("start", "pause", "resume", "cancel", "retry"):
        assert stranger.post(f"{path}/{verb}").status_code == 404, verb
        assert reader.post(f"{path}/{verb}").status_code == 403, verb
    assert stranger.get("/api/v1/batches").json()["data"] == []
    assert stranger.get(f"/api/v1/batches/{own.pk}/comparison", params={"other": batch.pk}).status_code == 404
    assert reader.get(path).status_code == 200
