"""Bodies too long for memory: kept on disk for who has a token, and no further than they may be."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.api_user import ApiUser
from tests.support.factories import make_agent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

MEGABYTE = 1_000_000


def pieces(number: int) -> Iterator[bytes]:
    for _ in range(number):
        yield b" " * MEGABYTE


@contextmanager
def largest_file(pid: int) -> Iterator[list[int]]:
    """Give a list that ends with the size of the largest deleted file that the process held open meanwhile."""
    found, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if "deleted" in os.readlink(entry):
                        found[0] = max(found[0], entry.stat().st_size)
                except OSError:
                    continue

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        done.set()
        watching.join()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer arb_" + "x" * 43}])
@pytest.mark.parametrize("path", ["/api/v1/runs", "/v1/chat/completions", "/api/v1/batches"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
def test_nothing_is_kept_for_who_has_no_token(api: ApiUser, path: str, kind: str, headers: dict[str, str]):
    with largest_file(api.server.pid) as largest:
        answer = httpx2.post(
            api.server.origin + path, headers={**headers, "Content-Type": kind}, content=pieces(40), timeout=30
        )
    assert answer.status_code == 401
    assert "X-Request-ID" in answer.headers
    assert largest[0] < 4 * MEGABYTE


def test_an_unknown_address_keeps_nothing_either(api: ApiUser):
    with largest_file(api.server.pid) as largest:
        answer = httpx2.post(f"{api.server.origin}/api/v1/nothing", content=pieces(40), timeout=30)
    assert answer.status_code == 404
    assert largest[0] < 4 * MEGABYTE


@pytest.mark.parametrize("path", ["/api/v1/runs", "/v1/chat/completions"])
def test_json_ends_where_it_is_too_long(api: ApiUser, path: str):
    http = api.http()
    with largest_file(api.server.pid) as largest:
        answer = http.post(path, content=pieces(150), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert largest[0] < 70 * MEGABYTE
    assert http.get("/v1/models").status_code == 200


def test_a_file_may_be_longer(api: ApiUser):
    agent = make_agent(api.user, prompt="{{ text }}")
    rows = b'{"text": "' + b"x" * MEGABYTE + b'"}\n'
    answer = api.http().post("/api/v1/batches", data={"agent": agent.slug}, files={"file": ("rows.jsonl", rows * 70)})
    assert (answer.status_code, answer.json().get("total")) == (201, 70), answer.text[:500]
