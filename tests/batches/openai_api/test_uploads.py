"""What uploads do to a running web process: broken ones, large ones, refused ones, and those before a crash."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from django.conf import settings

from batches.models import File
from tests.batches.files.forms import TYPE, upload_of
from tests.support.api_user import ApiUser
from tests.support.waiting import wait_for
from tests.support.web_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def folder(api: ApiUser) -> Iterator[Path]:
    """The storage's folder, emptied."""
    place = Path(settings.STORAGES["files"]["OPTIONS"]["location"])
    for path in place.glob("*"):
        path.unlink()
    yield place
    for path in place.glob("*"):
        path.unlink()


def left(folder: Path) -> list[Path]:
    return list(folder.glob("*"))


def begun(api: ApiUser, length: int, token: str | None = None) -> socket.socket:
    """Return a connection on which the head of an upload of `length` bytes was sent."""
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token or api.token}\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", api.server.port), timeout=10)
    connection.sendall(head.encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def test_a_client_that_goes_away_leaves_nothing(api: ApiUser, folder: Path):
    with begun(api, 10 * MEGABYTE) as connection:
        connection.sendall(upload_of(b"x" * 3 * MEGABYTE)[: 2 * MEGABYTE])
        wait_for(lambda: bool(left(folder)), 5, "the upload to begin")
    wait_for(lambda: not left(folder), 5, "the half file to go")
    assert not File.objects.exists()
    assert api.client().files.create(file=("in.jsonl", b"{}"), purpose="batch").bytes == 2


def test_strangers_are_refused_before_their_bytes_are_read(api: ApiUser):
    status, body = answer_of(begun(api, 100 * MEGABYTE, token="arb_" + "x" * 43))
    assert (status, b"invalid_api_key" in body) == (401, True)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(api: ApiUser):
    status, body = answer_of(begun(api, settings.ARBORETUM_MAX_FILE_BYTES + MEGABYTE))
    assert (status, b"File is too large." in body) == (400, True)


def test_a_refused_upload_is_told_to_the_real_client_in_the_midst_of_it(server_env: dict[str, str], api: ApiUser):
    with WebServer(server_env, ARBORETUM_MAX_FILE_BYTES=str(MEGABYTE)) as server, ApiUser.make(server) as user:
        client = user.client()
        with pytest.raises(openai.BadRequestError, match=r"File is too large\."):
            client.files.create(file=("in.jsonl", b"x" * 30 * MEGABYTE), purpose="batch")
        assert client.files.create(file=("in.jsonl", b"x" * MEGABYTE), purpose="batch").bytes == MEGABYTE


def test_an_acknowledged_file_is_there_after_a_kill(server_env: dict[str, str], api: ApiUser, folder: Path):
    content = b'{"custom_id": "1"}\n' * 50_000
    with WebServer(server_env) as server, ApiUser.make(server) as user:
        made = user.client().files.create(file=("in.jsonl", content), purpose="batch")
        with begun(user, 10 * MEGABYTE) as connection:
            connection.sendall(upload_of(b"x" * MEGABYTE)[:-20])
            wait_for(lambda: len(left(folder)) == 2, 5, "another upload to begin")
            server.kill()
        server.start()
        assert user.client().files.content(made.id).read() == content
        assert [file.id for file in user.client().files.list()] == [made.id]


def test_many_uploads_at_once(api: ApiUser):
    connections = [begun(api, len(upload_of(b"x" * 50_000))) for _ in range(60)]
    for connection in connections:
        connection.sendall(upload_of(b"x" * 50_000))
    assert {answer_of(connection)[0] for connection in connections} == {200}
    assert File.objects.count() == 60


@pytest.mark.slow
def test_memory_stays_flat_while_a_large_file_comes_and_goes(api: ApiUser, tmp_path: Path):
    size = 300 * MEGABYTE
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(b'{"custom_id": "1"}\n' * (MEGABYTE // 19) + b" " * (MEGABYTE % 19))
    client = api.client()
    client.files.create(file=("warm.jsonl", b"{}"), purpose="batch")
    before = api.server.memory
    made = client.files.create(file=path, purpose="batch")
    assert made.bytes == size
    with client.files.with_streaming_response.content(made.id) as answer:
        assert sum(len(chunk) for chunk in answer.iter_bytes()) == size
    assert api.server.peak_memory - before < 50 * MEGABYTE


def test_who_sends_nothing_keeps_no_other_user_waiting(api: ApiUser):
    token = api.another().token
    silent = [begun(api, MEGABYTE, token) for _ in range(40)]
    try:
        for connection in silent:
            connection.sendall(upload_of(b"x")[:100])
        wait_for(lambda: api.http().get("/v1/files").status_code == 200, 5, "an answer")
        assert api.client(timeout=10).files.create(file=("a.jsonl", b"x"), purpose="batch").bytes == 1
    finally:
        for connection in silent:
            connection.close()
