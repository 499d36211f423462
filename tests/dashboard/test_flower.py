"""The proxy to Flower: who gets through, what is passed on, and the real Flower behind it."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from credentials.models import User
from tests.support.factories import make_superuser, make_user

pytestmark = pytest.mark.any_database
FLOWER_START_SECONDS = 30


class Upstream:
    """A web server in Flower's place that remembers what reached it."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if request.path.endswith("/moved"):
            raise web.HTTPFound("/flower/workers", headers={"Set-Cookie": "_xsrf=abc; Path=/flower"})
        response = web.StreamResponse(
            headers={
                "Content-Security-Policy": "default-src *",
                "Server": "hidden",
                "Keep-Alive": "timeout=5",
                "X-A": "1",
            }
        )
        await response.prepare(request)
        for part in (b"first ", b"second"):
            await response.write(part)
        return response


@pytest.fixture
async def upstream(short_folder: Path, settings) -> AsyncIterator[Upstream]:
    """A server on the socket where Flower would listen."""
    settings.ARBORETUM_DATA_DIR = short_folder
    server = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(short_folder / "flower.sock")).start()
    yield server
    await runner.cleanup()


@pytest.fixture
async def staff(async_client: AsyncClient) -> AsyncClient:
    """A client of the asynchronous stack that is signed in as staff."""
    await async_client.aforce_login(await sync_to_async(make_superuser)())
    return async_client


async def body(response) -> bytes:
    return b"".join([part async for part in response.streaming_content])


@pytest.mark.security
async def test_anonymous_is_sent_to_the_sign_in_page(async_client: AsyncClient, upstream: Upstream):
    response = await async_client.get("/flower/tasks?limit=5")

    assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=/flower/tasks%3Flimit%3D5")
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.security
async def test_not_staff_is_refused(async_client: AsyncClient, upstream: Upstream, method: str):
    await async_client.aforce_login(await sync_to_async(make_user)())

    for path in ("", "metrics", "healthcheck", "static/js/flower.js"):
        assert (await getattr(async_client, method)(f"/flower/{path}")).status_code == 403
    assert upstream.requests == []


async def test_answer_is_streamed_without_hop_by_hop_headers(staff: AsyncClient, upstream: Upstream):
    response = await staff.get("/flower/tasks?limit=5&name=a%2Fb")

    assert await body(response) == b"first second"
    assert upstream.requests[0].raw_path == "/flower/tasks?limit=5&name=a%2Fb"
    assert response["X-A"] == "1"
    assert not {"Keep-Alive", "Transfer-Encoding", "Server"} & set(response.headers)
    assert "default-src 'none'" in response["Content-Security-Policy"]


@pytest.mark.security
async def test_our_session_stays_here(staff: AsyncClient, upstream: Upstream):
    staff.cookies["_xsrf"] = "of-flower"
    staff.cookies["csrftoken"] = "of-ours"

    await body(await staff.get("/flower/", headers={"Authorization": "Bearer x", "Accept-Language": "de"}))

    headers = upstream.requests[0].headers
    assert headers["Cookie"] == "_xsrf=of-flower"
    assert "Authorization" not in headers
    assert headers["Accept-Language"] == "de"


async def test_redirects_and_cookies_come_back(staff: AsyncClient, upstream: Upstream):
    response = await staff.get("/flower/moved")

    assert (response.status_code, response["Location"]) == (302, "/flower/workers")
    assert response.cookies["_xsrf"]["path"] == "/flower"


@pytest.mark.security
async def test_post_passes_from_our_own_pages_alone(staff: AsyncClient, upstream: Upstream):
    def post(**headers: str):
        return staff.post("/flower/api/x", "a=1", content_type="application/x-www-form-urlencoded", headers=headers)

    assert (await post()).status_code == 403
    assert (await post(Origin="https://evil.example")).status_code == 403
    assert (await post(Origin="null")).status_code == 403
    assert upstream.requests == []

    await body(await post(Origin="http://testserver"))
    assert (upstream.requests[0].method, upstream.bodies) == ("POST", [b"a=1"])


async def test_post_passes_through_a_proxy_that_speaks_tls(staff: AsyncClient, upstream: Upstream, settings):
    async def status(origin: str) -> int:
        return (
            await staff.post("/flower/api/x", "a=1", content_type="text/plain", headers={"Origin": origin})
        ).status_code

    settings.HTTPS = False
    assert await status("https://testserver") == 403
    settings.HTTPS = True
    assert await status("https://testserver") == 200
    assert await status("https://evil.example") == 403


@pytest.mark.parametrize("path", ["../admin/", "a/../../b", "%2e%2e/x"])
@pytest.mark.security
async def test_path_cannot_climb(staff: AsyncClient, upstream: Upstream, path: str):
    assert (await staff.get(f"/flower/{path}")).status_code == 404
    assert upstream.requests == []


async def test_flower_url_is_used_where_it_is_given(
    staff: AsyncClient, upstream: Upstream, settings, flower_on_tcp: str
):
    settings.FLOWER_URL = flower_on_tcp

    assert await body(await staff.get("/flower/workers")) == b"elsewhere /flower/workers"


@pytest.fixture
async def flower_on_tcp() -> AsyncIterator[str]:
    """The address of a server that listens on TCP."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"elsewhere {request.path}")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_missing_flower_is_explained(staff: AsyncClient, short_folder: Path, settings):
    settings.ARBORETUM_DATA_DIR = short_folder

    response = await staff.get("/flower/")

    assert response.status_code == 503
    assert "make up" in response.content.decode()


@pytest.fixture
def real_flower(short_folder: Path, worker_env: dict[str, str], settings) -> Iterator[None]:
    """Flower itself, on its socket."""
    settings.ARBORETUM_DATA_DIR = short_folder
    socket = short_folder / "flower.sock"
    command = [sys.executable, "-m", "celery", "-A", "arboretum", "flower", f"--unix-socket={socket}"]
    process = subprocess.Popen([*command, "--url-prefix=flower"], env={**os.environ, **worker_env})
    try:
        deadline = time.monotonic() + FLOWER_START_SECONDS
        while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert socket.exists(), f"Flower did not start; its exit code is {process.poll()}"
        yield
    finally:
        process.terminate()
        process.wait(20)


async def test_real_flower_is_shown_with_its_files(real_flower: None, staff: AsyncClient):
    page = await staff.get("/flower/")
    text = (await body(page)).decode()

    assert page.status_code == 200
    assert "Flower</title>" in text
    assert "/flower/static/js/flower.js" in text
    script = await staff.get("/flower/static/js/flower.js")
    assert b"use strict" in await body(script)
    assert "javascript" in script["Content-Type"]


def test_nobody_but_staff_sees_the_entry(client, owner: User, db: None):
    client.force_login(owner)
    assert "/flower/" not in client.get("/").content.decode()

    client.force_login(make_superuser())
    assert "/flower/" in client.get("/").content.decode()
