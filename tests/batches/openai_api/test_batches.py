"""`/v1/batches` by the unmodified `openai` client and by curl, with a web process and a worker."""

import json

import openai
import pytest

from batches.models import Batch, Run
from credentials.models import IdempotencyKey
from tests.support.api_user import ApiUser
from tests.support.factories import ECHO, make_agent, make_credential
from tests.support.worker_harness import Workers

from .lines import CHAT, EMBEDDINGS, RESPONSES, chat, create, ended, line, records

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


@pytest.fixture
def echo(api: ApiUser, worker: Workers) -> str:
    """The name of an agent that echoes, ready for the caller."""
    return f"agent:{make_agent(api.user, slug='echo', parameters=ECHO).slug}"


def test_a_batch_from_upload_to_results(api: ApiUser, echo: str):
    client = api.client()
    made = create(client, chat("a", echo, "eins") + b"\n" + chat("b", echo, "zwei"), metadata={"job": "night"})
    assert (made.object, made.endpoint, made.status, made.completion_window) == ("batch", CHAT, "validating", "24h")
    assert made.expires_at - made.created_at == 86_400
    assert (made.request_counts.total, made.output_file_id, made.errors, made.model) == (0, None, None, None)
    assert made.metadata == {"job": "night"}
    done = ended(client, made.id)
    assert (done.status, done.model, done.error_file_id) == ("completed", f"{echo}@1", None)
    assert done.request_counts.model_dump() == {"total": 2, "completed": 2, "failed": 0}
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    assert (done.failed_at, done.cancelled_at, done.expired_at) == (None, None, None)
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0
    found = records(client, done.output_file_id)
    assert {key: one["response"]["body"]["choices"][0]["message"]["content"] for key, one in found.items()} == {
        "a": "eins",
        "b": "zwei",
    }
    first = found["a"]
    run = Run.objects.get(custom_id="a")
    assert (first["id"], first["error"], first["response"]["status_code"]) == (f"batch_req_{run.pk}", None, 200)
    body = first["response"]["body"]
    assert openai.types.chat.ChatCompletion.model_validate(body).id == f"chatcmpl-{run.pk}"
    assert (body["object"], body["model"]) == ("chat.completion", f"{echo}@1")


def test_its_output_is_a_file_like_others(api: ApiUser, echo: str):
    client = api.client()
    done = ended(client, create(client, chat("a", echo)).id)
    file = client.files.wait_for_processing(done.output_file_id)
    content = client.files.content(file.id).read()
    assert (file.purpose, file.bytes, file.status) == ("batch_output", len(content), "processed")
    assert [one.id for one in client.files.list()] == [file.id, done.input_file_id]
    assert [one.id for one in client.files.list(limit=1, order="asc")] == [done.input_file_id, file.id]
    assert [one.id for one in client.files.list(purpose="batch_output")] == [file.id]
    with pytest.raises(openai.NotFoundError):
        api.another().client().files.content(file.id)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)
    assert [one.id for one in client.files.list()] == [done.input_file_id]


def test_agents_and_models_may_be_mixed_and_failures_go_to_the_error_file(api: ApiUser, echo: str):
    client = api.client()
    credential = make_credential(api.user, name="sim")
    bad = make_agent(api.user, slug="bad", parameters={"simulated": {"errors": {"content_policy": 1}, "latency": 0}})
    content = chat("1", echo) + chat("2", f"{credential.name}/echo-1") + chat("3", f"agent:{bad.slug}@1")
    done = ended(client, create(client, content).id)
    assert (done.status, done.model) == ("completed", None)
    assert done.request_counts.model_dump() == {"total": 3, "completed": 2, "failed": 1}
    found = records(client, done.output_file_id)
    assert {key: one["response"]["body"]["model"] for key, one in found.items()} == {
        "1": f"{echo}@1",
        "2": "sim/echo-1",
    }
    (failed,) = records(client, done.error_file_id).values()
    assert (failed["custom_id"], failed["error"], failed["response"]["status_code"]) == ("3", None, 400)
    assert failed["response"]["body"]["error"]["code"] == "content_policy_violation"


def test_a_batch_whose_every_row_failed_is_completed_without_output(api: ApiUser, worker: Workers):
    client = api.client()
    bad = make_agent(api.user, slug="bad", parameters={"simulated": {"errors": {"content_policy": 1}, "latency": 0}})
    done = ended(client, create(client, chat("x", f"agent:{bad.slug}")).id)
    assert (done.status, done.output_file_id) == ("completed", None)
    assert len(records(client, done.error_file_id)) == 1


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(api: ApiUser, worker: Workers, encoding: str):
    client = api.client()
    make_credential(api.user, name="sim")
    body = {"model": "sim/embed-1", "input": ["one", "two"], "encoding_format": encoding}
    done = ended(client, create(client, line("e", body, EMBEDDINGS), EMBEDDINGS).id)
    assert (done.status, done.errors) == ("completed", None)
    answer = records(client, done.output_file_id)["e"]["response"]["body"]
    assert (answer["object"], [item["index"] for item in answer["data"]]) == ("list", [0, 1])
    assert isinstance(answer["data"][0]["embedding"], str if encoding == "base64" else list)


def test_responses(api: ApiUser, echo: str):
    client = api.client()
    done = ended(client, create(client, line("r", {"model": echo, "input": "guten Tag"}, RESPONSES), RESPONSES).id)
    assert (done.status, done.errors) == ("completed", None)
    body = records(client, done.output_file_id)["r"]["response"]["body"]
    assert openai.types.responses.Response.model_validate(body).output_text == "guten Tag"
    run = Run.objects.get(batch__isnull=False)
    assert (body["id"], body["status"]) == (f"resp_{run.pk}", "completed")


def test_bad_lines_are_told_by_line_and_nothing_runs(api: ApiUser, echo: str):
    client = api.client()
    content = (
        chat("good", echo)
        + b"{nonsense\n"
        + b"\n"
        + b'{"custom_id": "x", "method": "POST", "url": "/v1/chat/completions"}\n'
        + line("y", {"model": echo, "messages": []}, url="/v1/embeddings")
        + chat("good", echo)
        + chat("z", "agent:unknown")
        + chat("t", echo, temperature="warm")
        + chat("s", echo, stream=True)
        + line("m", {"messages": [{"role": "user", "content": "?"}]})
        + b'{"custom_id": 5, "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'
        + line("g", {"model": echo}, method="GET")
        + b"[]"
    )
    done = ended(client, create(client, content).id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert done.request_counts.model_dump() == {"total": 0, "completed": 0, "failed": 0}
    assert done.failed_at >= done.created_at
    assert [(error.line, error.code, error.param) for error in done.errors.data] == [
        (2, "invalid_json_line", None),
        (4, "missing_required_parameter", "body"),
        (5, "url_mismatch", "url"),
        (6, "duplicate_custom_id", "custom_id"),
        (7, "model_not_found", "body.model"),
        (8, "invalid_request", "body.temperature"),
        (9, "invalid_request", "body.stream"),
        (10, "missing_required_parameter", "body.model"),
        (11, "invalid_request", "custom_id"),
        (12, "invalid_request", "method"),
        (13, "invalid_json_line", None),
    ]
    assert not Run.objects.exists()


@pytest.mark.parametrize(("content", "code"), [(b"", "empty_batch"), (b"\n \n", "empty_batch")])
def test_an_empty_file_fails_the_batch(api: ApiUser, worker: Workers, content: bytes, code: str):
    client = api.client()
    done = ended(client, create(client, content).id)
    assert (done.status, [error.code for error in done.errors.data]) == ("failed", [code])


def test_an_unknown_file_is_accepted_and_fails_the_batch(api: ApiUser, worker: Workers):
    client = api.client()
    made = client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    done = ended(client, made.id)
    assert (done.status, done.input_file_id, len(done.errors.data)) == ("failed", "file-none", 1)
    assert (done.errors.data[0].code, done.errors.data[0].param) == ("input_file_not_found", "input_file_id")


GOOD = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}
LIFE = {"anchor": "created_at", "seconds": 3600}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"endpoint": None}, "endpoint", "missing_required_parameter"),
        ({"completion_window": None}, "completion_window", "missing_required_parameter"),
        ({"endpoint": "/v1/completions"}, "endpoint", "invalid_value"),
        ({"endpoint": ["/v1/embeddings"]}, "endpoint", "invalid_value"),
        ({"input_file_id": 7}, "input_file_id", "invalid_value"),
        ({"completion_window": "59s"}, "completion_window", None),
        ({"completion_window": "31d"}, "completion_window", None),
        ({"completion_window": "1 day"}, "completion_window", None),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"k" * 65: ""}}, "metadata", "invalid_value"),
        ({"metadata": {"k": "v" * 513}}, "metadata", "invalid_value"),
        ({"metadata": {"k": 1}}, "metadata", "invalid_value"),
        ({"metadata": {"k": "\0"}}, "metadata", "invalid_value"),
        ({"output_expires_after": {**LIFE, "anchor": "now"}}, "output_expires_after.anchor", "invalid_value"),
        ({"output_expires_after": {**LIFE, "seconds": 3599}}, "output_expires_after.seconds", "invalid_value"),
        ({"output_expires_after": {**LIFE, "seconds": 2592001}}, "output_expires_after.seconds", "invalid_value"),
        ({"colour": "red"}, "colour", "unknown_parameter"),
    ],
)
def test_wrong_requests_name_their_parameter(api: ApiUser, change: dict, param: str, code: str | None):
    answer = api.http().post("/v1/batches", json={**GOOD, **change})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert not Batch.objects.exists()


@pytest.mark.parametrize(("window", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200), ("30d", 2_592_000)])
def test_other_windows_and_largest_metadata_are_taken(api: ApiUser, window: str, seconds: int):
    metadata = {f"{number:064}": "v" * 512 for number in range(16)}
    terms = {**GOOD, "completion_window": window, "metadata": metadata, "output_expires_after": LIFE}
    made = api.client().batches.create(**terms)
    assert (made.completion_window, made.expires_at - made.created_at) == (window, seconds)
    assert made.metadata == metadata


def test_lists_are_paged_by_key(api: ApiUser):
    client = api.client()
    ids = [client.batches.create(**GOOD).id for _ in range(5)][::-1]
    stranger = api.another().client()
    theirs = stranger.batches.create(**GOOD)
    page = client.batches.list(limit=2)
    assert ([one.id for one in page.data], page.has_more) == (ids[:2], True)
    raw = api.http().get("/v1/batches", params={"limit": 2, "after": ids[2]}).json()
    assert (raw["first_id"], raw["last_id"], raw["has_more"], len(raw["data"])) == (ids[3], ids[4], False, 2)
    assert [one.id for one in client.batches.list(limit=2)] == ids
    for wrong in (0, 101, "x"):
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.list(limit=wrong)
        assert refused.value.param == "limit"
    for ask in (client.batches.retrieve, client.batches.cancel):
        for unknown in (theirs.id, "batch_999999", "batch_x", "batch_-1", "batch_99999999999999999999"):
            with pytest.raises(openai.NotFoundError):
                ask(unknown)
    with pytest.raises(openai.NotFoundError):
        client.batches.list(after=theirs.id)


def test_scopes(api: ApiUser):
    reader = api.another("batches:read", same_user=True).client()
    assert reader.batches.list().data == []
    with pytest.raises(openai.PermissionDeniedError):
        reader.batches.create(**GOOD)
    writer = api.another("batches:write", same_user=True).client()
    made = writer.batches.create(**GOOD)
    with pytest.raises(openai.PermissionDeniedError):
        writer.batches.retrieve(made.id)
    with pytest.raises(openai.PermissionDeniedError):
        reader.batches.cancel(made.id)


def test_a_create_that_is_sent_again_makes_one_batch(api: ApiUser):
    client = api.client()
    first = client.batches.create(**GOOD)
    again = client.batches.create(**GOOD, extra_headers={"x-stainless-retry-count": "1"})
    assert again.id == first.id
    other = client.batches.create(**{**GOOD, "endpoint": EMBEDDINGS}, extra_headers={"x-stainless-retry-count": "1"})
    anew = client.batches.create(**GOOD)
    keyed = [client.batches.create(**GOOD, extra_headers={"Idempotency-Key": "k"}).id for _ in range(2)]
    assert keyed[0] == keyed[1]
    assert len({first.id, other.id, anew.id, keyed[0]}) == Batch.objects.count() == 4
    IdempotencyKey.objects.update(created_at="2026-01-01T00:00:00Z")
    assert client.batches.create(**GOOD, extra_headers={"x-stainless-retry-count": "2"}).id not in (first.id, anew.id)


async def test_the_asynchronous_client_does_the_same(api: ApiUser, echo: str):
    async with api.async_client() as client:
        file = await client.files.create(file=("in.jsonl", chat("a", echo, "async")), purpose="batch")
        made = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        done = made
        while done.status not in ("completed", "failed"):
            done = await client.batches.retrieve(made.id)
        assert done.status == "completed"
        assert b"async" in (await client.files.content(done.output_file_id)).content
        assert [one.id async for one in client.batches.list()] == [made.id]


def test_curl(api: ApiUser):
    made = json.loads(api.curl("/v1/batches", "-H", "Content-Type: application/json", "-d", json.dumps(GOOD)))
    assert (made["object"], made["status"]) == ("batch", "validating")
    assert json.loads(api.curl(f"/v1/batches/{made['id']}"))["id"] == made["id"]
    assert json.loads(api.curl("/v1/batches", "-d", "[]"))["error"]["type"] == "invalid_request_error"
