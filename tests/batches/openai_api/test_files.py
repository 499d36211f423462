"""`/v1/files` by the unmodified `openai` client and by curl, against a running web process."""

import json
import time
from datetime import timedelta
from pathlib import Path

import openai
import pytest
from django.conf import settings
from django.test import AsyncClient
from django.utils import timezone

from batches.models import File
from tests.batches.files.forms import TYPE, upload_of
from tests.support.api_user import ApiUser
from tests.support.factories import make_file, make_superuser

pytestmark = pytest.mark.django_db(transaction=True)
LINES = b'{"custom_id": "1"}\n{"custom_id": "2"}\n'
MONTH = 2_592_000


def stored_names() -> set[str]:
    """Return what lies in the storage; tests leave nothing there that they did not make."""
    folder = Path(settings.STORAGES["files"]["OPTIONS"]["location"])
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture(autouse=True)
def _empty_storage(api: ApiUser):
    folder = Path(settings.STORAGES["files"]["OPTIONS"]["location"])
    for path in folder.glob("*"):
        path.unlink()


def upload(client: openai.OpenAI, content: bytes = LINES, name: str = "in.jsonl", **options):
    return client.files.create(file=(name, content), **({"purpose": "batch"} | options))


def test_a_file_is_uploaded_awaited_read_listed_and_deleted(api: ApiUser):
    client = api.client()
    made = upload(client)
    assert (made.object, made.bytes, made.filename, made.purpose) == ("file", len(LINES), "in.jsonl", "batch")
    assert made.id == f"file-{File.objects.get().pk}"
    assert abs(made.created_at - time.time()) < 60
    assert made.expires_at - made.created_at == MONTH
    assert client.files.wait_for_processing(made.id, poll_interval=0.01).status == "processed"
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == LINES
    assert [file.id for file in client.files.list()] == [made.id]
    assert client.files.delete(made.id).model_dump() == {"id": made.id, "object": "file", "deleted": True}
    assert not stored_names()
    assert not File.objects.exists()
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            ask(made.id)
        assert refused.value.type == "not_found_error"


async def test_the_asynchronous_client_does_the_same(api: ApiUser):
    async with api.async_client() as client:
        made = await client.files.create(file=("in.jsonl", LINES), purpose="batch")
        assert (await client.files.wait_for_processing(made.id)).status == "processed"
        assert (await client.files.content(made.id)).content == LINES
        assert [file.id async for file in client.files.list()] == [made.id]
        assert (await client.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(made.id)


def test_curl_sends_a_file_before_its_fields_and_reads_it(api: ApiUser, tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(LINES * 100_000)
    made = json.loads(api.curl("/v1/files", "-F", f"file=@{path}", "-F", "purpose=batch"))
    assert (made["bytes"], made["status"]) == (len(LINES) * 100_000, "processed")
    kept = tmp_path / "out"
    api.curl(f"/v1/files/{made['id']}/content", "-o", str(kept))
    assert kept.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\r\n--boundary--\r\n", bytes(range(256)) * 5000])
def test_what_was_sent_is_what_is_read(api: ApiUser, content: bytes):
    made = upload(api.client(), content, "x.bin", purpose="user_data")
    assert made.expires_at is None
    answer = api.http().get(f"/v1/files/{made.id}/content")
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_lists_are_paged_ordered_and_filtered(api: ApiUser):
    client = api.client()
    ids = [f"file-{make_file(api.user).pk}" for _ in range(5)]
    other = f"file-{make_file(api.user, purpose='evals').pk}"
    first = client.files.list(limit=2)
    assert ([file.id for file in first.data], first.has_more) == ([other, ids[4]], True)
    assert [file.id for file in first] == [other, *reversed(ids)]
    assert [file.id for file in client.files.list(limit=2, order="asc", purpose="batch")] == ids
    assert [file.id for file in client.files.list(after=ids[1])] == [ids[0]]
    empty = api.http().get("/v1/files", params={"after": ids[0]}).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize(
    ("query", "param"), [({"limit": 0}, "limit"), ({"limit": 10_001}, "limit"), ({"order": "up"}, "order")]
)
def test_wrong_lists_name_their_parameter(api: ApiUser, query: dict, param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        api.client().files.list(**query)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("name", "options", "param", "words"),
    [
        ("in.csv", {}, None, "Invalid file format for Batch API. Must be .jsonl"),
        ("in.jsonl", {"purpose": "batch_output"}, "purpose", "must be one of"),
        ("in.jsonl", {"expires_after": {"anchor": "now", "seconds": 3600}}, "expires_after[anchor]", "created_at"),
        ("in.jsonl", {"expires_after": {"anchor": "created_at", "seconds": 3599}}, "expires_after[seconds]", "3600"),
        (
            "in.jsonl",
            {"expires_after": {"anchor": "created_at", "seconds": MONTH + 1}},
            "expires_after[seconds]",
            str(MONTH),
        ),
        ("in.jsonl", {"extra_body": {"colour": "red"}}, "colour", "no field"),
    ],
)
def test_wrong_uploads_are_refused_and_leave_nothing(api: ApiUser, name: str, options: dict, param: str, words: str):
    with pytest.raises(openai.BadRequestError, match=words) as refused:
        upload(api.client(), name=name, **options)
    assert refused.value.param == param
    assert not stored_names()
    assert not File.objects.exists()


def test_an_expiry_is_counted_from_the_creation(api: ApiUser):
    made = upload(api.client(), expires_after={"anchor": "created_at", "seconds": 3600})
    assert made.expires_at - made.created_at == 3600
    File.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(openai.NotFoundError):
        api.client().files.retrieve(made.id)
    assert not api.client().files.list().data


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        (["-F", "purpose=batch"], "file"),
        (["-F", "file=@-;filename=in.jsonl"], "purpose"),
        (["-F", "purpose=batch", "-F", "expires_after[anchor]=created_at"], "file"),
    ],
)
def test_missing_fields_are_named(api: ApiUser, arguments: list[str], param: str):
    error = json.loads(api.curl("/v1/files", *arguments))["error"]
    assert (error["param"], error["code"]) == (param, "missing_required_parameter")
    assert not stored_names()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"no form at all"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
    ],
)
def test_bodies_that_are_no_form_are_refused(api: ApiUser, kind: str, body: bytes):
    answer = api.http().post("/v1/files", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert not stored_names()


def test_an_upload_sent_again_with_its_key_makes_one_file(api: ApiUser):
    client, key = api.client(), {"extra_headers": {"Idempotency-Key": "once"}}
    first, again = upload(client, **key), upload(client, **key)
    assert first == again
    assert upload(client).id != first.id
    for other in ({"content": LINES * 2}, {"name": "other.jsonl"}, {"purpose": "evals"}):
        with pytest.raises(openai.BadRequestError, match="Idempotency-Key"):
            upload(client, **other, **key)
    assert stored_names() == {file.storage_name for file in File.objects.all()}
    assert File.objects.count() == 2


def test_a_path_in_a_name_goes_nowhere(api: ApiUser):
    made = upload(api.client(), name="../../etc/passwd.jsonl")
    assert made.filename == "passwd.jsonl"
    assert stored_names() == {File.objects.get().storage_name}


def test_strangers_and_narrow_tokens(api: ApiUser):
    made = upload(api.client())
    stranger = api.another()
    for ask in ("retrieve", "content", "delete"):
        with pytest.raises(openai.NotFoundError):
            getattr(stranger.client().files, ask)(made.id)
    assert not stranger.client().files.list().data
    with pytest.raises(openai.NotFoundError):
        stranger.client().files.list(after=made.id)
    reader = api.another("batches:read", same_user=True).client()
    assert reader.files.retrieve(made.id).id == made.id
    with pytest.raises(openai.PermissionDeniedError):
        reader.files.delete(made.id)
    with pytest.raises(openai.PermissionDeniedError):
        upload(reader)
    with pytest.raises(openai.PermissionDeniedError):
        api.another("runs:read", same_user=True).client().files.list()
    with pytest.raises(openai.AuthenticationError):
        api.client(api_key="arb_" + "x" * 43).files.list()
    root = ApiUser.make(api.server, user=make_superuser())
    with root:
        assert root.client().files.retrieve(made.id).id == made.id


@pytest.mark.parametrize("wrong", ["file-0", "file-", "file-x", "file-٣", "1", f"file-{10**30}", "file-1-2"])
def test_ids_that_are_none_are_not_found(api: ApiUser, wrong: str):
    assert api.http().get(f"/v1/files/{wrong}").status_code == 404


async def test_without_a_server_that_streams_a_body_is_read_as_django_gives_it(api: ApiUser):
    headers = {"Authorization": f"Bearer {api.token}"}
    answer = await AsyncClient().post("/v1/files", upload_of(LINES), content_type=TYPE, headers=headers)
    assert answer.status_code == 200
    sent = await AsyncClient().get(f"/v1/files/{answer.json()['id']}/content", headers=headers)
    assert b"".join([chunk async for chunk in sent]) == LINES
