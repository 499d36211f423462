"""The probes."""

import socket
import time
from pathlib import Path

import pytest
from django.test import AsyncClient, Client


def test_healthz_needs_nothing(client: Client):
    # No database fixture: a query would fail the test.
    for host in ("testserver", "10.0.0.7:8000"):
        response = client.get("/healthz", headers={"host": host})
        assert (response.status_code, response.content) == (200, b"ok\n")
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_readyz_asks_the_database_and_redis(client: Client):
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"database": "ok", "redis": "ok"})
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
def test_readyz_names_what_is_down_and_no_address(client: Client, settings):
    settings.REDIS_URL = "redis://:hush-hush@127.0.0.1:1/0"

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"database": "ok", "redis": "down"})
    assert "hush" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_readyz_answers_soon_when_redis_hangs(client: Client, settings, short_folder: Path):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(short_folder / "mute.sock"))
        mute.listen()
        settings.REDIS_URL = f"unix://{short_folder / 'mute.sock'}"
        started = time.monotonic()
        response = client.get("/readyz")

    assert response.status_code == 503
    assert time.monotonic() - started < 5


async def test_probes_answer_in_the_asynchronous_stack(async_client: AsyncClient):
    assert (await async_client.get("/healthz")).status_code == 200
    assert (await async_client.get("/readyz")).status_code == 200
